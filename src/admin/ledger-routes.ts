/** Lists of what did not simply take effect: duplicates, conflicts, dead letters. */
import type { FastifyReply } from 'fastify';
import { type HttpServer, sendDetail } from '../runtime/http-server.ts';
import { listConflicts } from '../store/conflicts.ts';
import {
  findLetter,
  groupLetters,
  type ListedLetter,
  listLetters,
  readAudit,
  type StoredLetter,
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

export type PlaceParams = {
  readonly log_id: string;
  readonly partition: string;
  readonly offset: string;
};

export function addLedgerRoutes(app: HttpServer, db: Queryable): void {
  const schema = (summary: string, parameters: object, tags: string[]) => ({
    schema: { summary, description: `Parameters: ${Object.keys(parameters).join(', ')}.`, tags },
  });
  addList(app, '/duplicates', 'Records that repeat a stored event', (filter) =>
    listDuplicates(db, filter),
  );
  addList(app, '/conflicts', 'Records with the id of another payload: both payloads', (filter) =>
    listConflicts(db, filter),
  );
  app.get(
    '/duplicates/sources',
    { schema: { summary: 'How many duplicates, by why they were there', tags: ['ledgers'] } },
    async () => ({ items: await countDuplicates(db) }),
  );
  app.get(
    '/dead-letters',
    schema('Records set aside, in log order', OF_LETTERS, ['dead letters']),
    async (request, reply) => {
      const query = readQuery(request.url, OF_LETTERS);
      if (!query.ok) return sendDetail(reply, 422, query.errors);
      const { event_id: eventId, order_id: orderId, limit = LIMIT, ...rest } = query.values;
      const letters = await listLetters(db, { ...rest, eventId, orderId, limit });
      return reply.send(pageOf(letters, limit, letterLine));
    },
  );
  app.get(
    '/dead-letters/groups',
    { schema: { summary: 'How many, by state, reason and SQLSTATE', tags: ['dead letters'] } },
    async () => ({ items: await groupLetters(db) }),
  );
  app.get<{ Params: PlaceParams }>(
    '/dead-letters/:log_id/:partition/:offset',
    { schema: { summary: 'One, with its bytes and what was done to it', tags: ['dead letters'] } },
    async (request, reply) => {
      const place = placeIn(reply, request.params);
      if (place === null) return reply;
      const letter = await findLetter(db, place);
      const audit = await readAudit(db, place);
      if (letter !== null) return reply.send({ ...letterPage(letter), audit });
      if (audit.length > 0) return reply.send({ place: placeText(place), state: 'gone', audit });
      return sendDetail(reply, 404, 'There is no dead letter at this place, nor was there one');
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

function letterLine(letter: ListedLetter) {
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

/** Bytes exactly, as base64; and as text for reading. */
function letterPage(letter: StoredLetter) {
  const { key, value, headers, digest, appendedAt } = letter;
  return {
    ...letterLine(letter),
    digest,
    appended_at: appendedAt,
    key_base64: key?.toString('base64') ?? null,
    value_base64: value?.toString('base64') ?? null,
    value_text: value?.toString('utf8') ?? null,
    headers_base64: headers,
  };
}

/** null once the reply says that this is no place. */
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
