/** The routes that list and show dead letters. They only read. */
import type { EventRules } from '../event/event-rules.ts';
import { type HttpServer, sendDetail } from '../runtime/http-server.ts';
import {
  countDeadLetters,
  groupDeadLetters,
  pageOfDeadLetters,
} from '../store/dead-letter-choice.ts';
import { findDeadLetter, readAudit } from '../store/dead-letter-queue.ts';
import { placeText } from '../store/log-place.ts';
import type { Queryable } from '../store/queryable.ts';
import { deadLetterLine, deadLetterPage } from './dead-letter-answer.ts';
import {
  GROUP_LETTERS,
  LIST_LETTERS,
  OF_LETTERS,
  SHOW_LETTER,
} from './dead-letter-list-operations.ts';
import { cursorText, pageOf, wrongCursor } from './page.ts';
import { idParameters } from './path-id.ts';
import { type PlaceParams, placeIn } from './path-place.ts';
import { readQuery } from './query-string.ts';

const LIMIT = 100;

/** Adds the routes. */
export function addDeadLetterRoutes(app: HttpServer, db: Queryable, rules: EventRules): void {
  const parameters = { ...OF_LETTERS, ...idParameters(rules) };
  app.get('/dead-letters', { config: { operation: LIST_LETTERS } }, async (request, reply) => {
    const query = readQuery(request.url, parameters);
    if (!query.ok) return sendDetail(reply, 422, query.errors);
    const { event_id: eventId, order_id: orderId, total, ...rest } = query.values;
    const { sort = 'newest', after, limit = LIMIT, ...others } = rest;
    const wrong = wrongCursor(sort, after);
    if (wrong !== null) return sendDetail(reply, 422, [wrong]);
    const choice = { ...others, eventId, orderId };
    const letters = await pageOfDeadLetters(db, { ...choice, sort, after, limit });
    const page = pageOf(letters, limit, deadLetterLine, (letter) =>
      cursorText(sort, letter.parkedAt, letter),
    );
    const all = total === undefined ? null : await countDeadLetters(db, choice);
    return reply.send({ ...page, total: all });
  });
  app.get('/dead-letters/groups', { config: { operation: GROUP_LETTERS } }, async () => {
    const { items, isCapped } = await groupDeadLetters(db);
    return {
      items: items.map((group) => ({ ...group, example: placeText(group.example) })),
      is_capped: isCapped,
    };
  });
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
