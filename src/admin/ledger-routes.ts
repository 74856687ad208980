/** Lists of the records that were not stored as new events: duplicates, conflicts, dead letters. */
import type { FastifyReply } from 'fastify';
import { type HttpServer, sendDetail } from '../runtime/http-server.ts';
import { listConflicts } from '../store/conflicts.ts';
import {
  findDeadLetter,
  groupDeadLetters,
  type ListedDeadLetter,
  listDeadLetters,
  readAudit,
  type StoredDeadLetter,
} from '../store/dead-letter-queue.ts';
import { countDuplicates, listDuplicates } from '../store/duplicates.ts';
import type { LedgerFilter, LedgerRow } from '../store/ledger.ts';
import { type LogPlace, parsePlace, placeText } from '../store/log-place.ts';
import type { Queryable } from '../store/pool.ts';
import { pageOf } from './page.ts';
import { oneOf, PLACE, readQuery, UUID, WORD, wholeNumber } from './query-string.ts';

const LIMIT = 100;
const PAGING = { after: PLACE, limit: wholeNumber(1, 1000) };
const OF_LEDGER = { ...PAGING, event_id: UUID, source: WORD };
const OF_LETTERS = {
  ...PAGING,
  event_id: UUID,
  order_id: UUID,
  reason: WORD,
  state: oneOf(['parked', 'waiting', 'discarded']),
};

/** The place of a record as three segments of a URL's path. */
export type PlaceParams = {
  readonly log_id: string;
  readonly partition: string;
  readonly offset: string;
};

/** Adds the routes that list duplicates, conflicts and dead letters. They only read. */
export function addLedgerRoutes(app: HttpServer, db: Queryable): void {
  const schema = (summary: string, parameters: object, tags: string[]) => ({
    schema: { summary, description: `Parameters: ${Object.keys(parameters).join(', ')}.`, tags },
  });
  addList(app, '/duplicates', 'Lists records that repeat a stored event', (filter) =>
    listDuplicates(db, filter),
  );
  addList(
    app,
    '/conflicts',
    'Lists records whose event_id was already taken by another payload, with both payloads',
    (filter) => listConflicts(db, filter),
  );
  app.get(
    '/duplicates/sources',
    { schema: { summary: 'Counts duplicates by their source', tags: ['ledgers'] } },
    async () => ({ items: await countDuplicates(db) }),
  );
  app.get(
    '/dead-letters',
    schema('Lists dead letters in log order', OF_LETTERS, ['dead letters']),
    async (request, reply) => {
      const query = readQuery(request.url, OF_LETTERS);
      if (!query.ok) return sendDetail(reply, 422, query.errors);
      const { event_id: eventId, order_id: orderId, limit = LIMIT, ...rest } = query.values;
      const letters = await listDeadLetters(db, { ...rest, eventId, orderId, limit });
      return reply.send(pageOf(letters, limit, deadLetterLine));
    },
  );
  app.get(
    '/dead-letters/groups',
    {
      schema: {
        summary: 'Counts dead letters by state, reason and SQLSTATE',
        tags: ['dead letters'],
      },
    },
    async () => ({ items: await groupDeadLetters(db) }),
  );
  app.get<{ Params: PlaceParams }>(
    '/dead-letters/:log_id/:partition/:offset',
    { schema: { summary: 'Shows a dead letter with its bytes and audit', tags: ['dead letters'] } },
    async (request, reply) => {
      const place = placeIn(reply, request.params);
      if (place === null) return reply;
      const letter = await findDeadLetter(db, place);
      const audit = await readAudit(db, place);
      if (letter !== null) return reply.send({ ...deadLetterPage(letter), audit });
      if (audit.length > 0) return reply.send({ place: placeText(place), state: 'gone', audit });
      return sendDetail(
        reply,
        404,
        'There is no dead letter at this place, and there never was one',
      );
    },
  );
}

function addList(
  app: HttpServer,
  url: string,
  summary: string,
  list: (filter: LedgerFilter) => Promise<LedgerRow[]>,
): void {
  const description = `Parameters: ${Object.keys(OF_LEDGER).join(', ')}.`;
  app.get(url, { schema: { summary, description, tags: ['ledgers'] } }, async (request, reply) => {
    const query = readQuery(request.url, OF_LEDGER);
    if (!query.ok) return sendDetail(reply, 422, query.errors);
    const { event_id: eventId, limit = LIMIT, ...rest } = query.values;
    const rows = await list({ ...rest, eventId, limit });
    return reply.send(
      pageOf(rows, limit, (row) => {
        const { logId, ...item } = row;
        return { place: placeText(row), log_id: logId, ...item };
      }),
    );
  });
}

function deadLetterLine(letter: ListedDeadLetter) {
  const { logId, partition, offset, eventId, orderId, state, reason, sqlState } = letter;
  return {
    place: placeText(letter),
    log_id: logId,
    partition,
    offset,
    event_id: eventId,
    order_id: orderId,
    state,
    reason,
    sqlstate: sqlState,
    attempts: letter.attempts,
    detail: letter.detail,
    parked_at: letter.parkedAt,
    updated_at: letter.updatedAt,
  };
}

/** The exact bytes as base64, since they may not be text. `value_text` is for reading only. */
function deadLetterPage(letter: StoredDeadLetter) {
  const { key, value, headers, digest, appendedAt } = letter;
  return {
    ...deadLetterLine(letter),
    digest,
    appended_at: appendedAt,
    key_base64: key?.toString('base64') ?? null,
    value_base64: value?.toString('base64') ?? null,
    value_text: value?.toString('utf8') ?? null,
    headers_base64: headers,
  };
}

/** @returns the place; or null if the path is not a place, after the reply was sent with 422. */
export function placeIn(reply: FastifyReply, params: PlaceParams): LogPlace | null {
  const text = `${params.log_id}/${params.partition}/${params.offset}`;
  const place = parsePlace(text);
  if (place === null) {
    const input = text.slice(0, 200);
    const msg = `Input should be ${PLACE.shape}`;
    sendDetail(reply, 422, [{ type: PLACE.type, loc: ['path'], msg, input }]);
  }
  return place;
}
