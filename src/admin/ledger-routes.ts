/** Lists of the records that were not stored as new events: duplicates, conflicts, dead letters. */
import type { FastifyReply } from 'fastify';
import { type HttpServer, sendDetail } from '../runtime/http-server.ts';
import type { Operation } from '../runtime/operation.ts';
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
import type { Queryable } from '../store/queryable.ts';
import { GROUP_LETTERS, LIST_LETTERS, OF_LETTERS, SHOW_LETTER } from './dead-letter-operations.ts';
import { pageOf } from './page.ts';
import { PLACE, readQuery } from './query-string.ts';
import {
  COUNT_DUPLICATES,
  LIST_CONFLICTS,
  LIST_DUPLICATES,
  OF_LEDGER,
} from './repeat-operations.ts';

const LIMIT = 100;

/** The place of a record as three segments of a URL's path. */
export type PlaceParams = {
  readonly log_id: string;
  readonly partition: string;
  readonly offset: string;
};

/** Adds the routes that list duplicates, conflicts and dead letters. They only read. */
export function addLedgerRoutes(app: HttpServer, db: Queryable): void {
  addList(app, '/duplicates', LIST_DUPLICATES, (filter) => listDuplicates(db, filter));
  addList(app, '/conflicts', LIST_CONFLICTS, (filter) => listConflicts(db, filter));
  app.get('/duplicates/sources', { config: { operation: COUNT_DUPLICATES } }, async () => ({
    items: await countDuplicates(db),
  }));
  app.get('/dead-letters', { config: { operation: LIST_LETTERS } }, async (request, reply) => {
    const query = readQuery(request.url, OF_LETTERS);
    if (!query.ok) return sendDetail(reply, 422, query.errors);
    const { event_id: eventId, order_id: orderId, limit = LIMIT, ...rest } = query.values;
    const letters = await listDeadLetters(db, { ...rest, eventId, orderId, limit });
    return reply.send(pageOf(letters, limit, deadLetterLine));
  });
  app.get('/dead-letters/groups', { config: { operation: GROUP_LETTERS } }, async () => ({
    items: await groupDeadLetters(db),
  }));
  app.get<{ Params: PlaceParams }>(
    '/dead-letters/:log_id/:partition/:offset',
    { config: { operation: SHOW_LETTER } },
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
  operation: Operation,
  list: (filter: LedgerFilter) => Promise<LedgerRow[]>,
): void {
  app.get(url, { config: { operation } }, async (request, reply) => {
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
