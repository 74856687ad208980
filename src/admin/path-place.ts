/** Reads the place of a record in the path of a request. */
import type { FastifyReply } from 'fastify';
import { sendDetail } from '../runtime/http-server.ts';
import { type LogPlace, parsePlace } from '../store/log-place.ts';
import { PLACE } from './query-string.ts';

/** The place of a record as three segments of a URL's path. */
export type PlaceParams = {
  readonly log_id: string;
  readonly partition: string;
  readonly offset: string;
};

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
