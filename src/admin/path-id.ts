import type { FastifyReply } from 'fastify';
import type { EventRules } from '../event/event-rules.ts';
import { TEXT_ID_CODE_POINTS_MAX } from '../event/fields.ts';
import { storedIdOf } from '../event/text-ids.ts';
import { sendDetail } from '../runtime/http-server.ts';
import { type Parameter, UUID } from './query-string.ts';

const PROPERTIES = { event_id: 'eventId', order_id: 'orderId' } as const;

/**
 * The stored id of an id in a path: a UUID, or a text id where the deployment declares them.
 * @returns null if it is no id, after a reply with 422.
 */
export function storedIdFrom(
  reply: FastifyReply,
  name: keyof typeof PROPERTIES,
  given: string,
  { declared }: EventRules,
): string | null {
  const property = PROPERTIES[name];
  const id = storedIdOf(given, property, declared);
  if (id !== null) return id;
  const isText = declared?.ids[property] !== undefined;
  const shape = isText ? `a text of 1 to ${TEXT_ID_CODE_POINTS_MAX} characters` : UUID.shape;
  const msg = `Input should be ${shape}`;
  sendDetail(reply, 422, [
    { type: UUID.type, loc: ['path', name], msg, input: given.slice(0, 200) },
  ]);
  return null;
}

/** The parameters of a query that name events and orders as this deployment knows them. */
export function idParameters({ declared }: EventRules) {
  const idOf = (property: 'eventId' | 'orderId'): Parameter<string> => {
    if (declared?.ids[property] === undefined) return UUID;
    const shape = `a text of 1 to ${TEXT_ID_CODE_POINTS_MAX} characters`;
    return { ...UUID, shape, parse: (text) => storedIdOf(text, property, declared) };
  };
  return { event_id: idOf('eventId'), order_id: idOf('orderId') };
}
