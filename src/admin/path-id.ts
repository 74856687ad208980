/** Reads a UUID in the path of a request. */
import type { FastifyReply } from 'fastify';
import { sendDetail } from '../runtime/http-server.ts';
import { UUID } from './query-string.ts';

/** @returns the id in canonical form; or null if it is not a UUID, after a reply with 422. */
export function idOf(reply: FastifyReply, name: string, given: string): string | null {
  const id = UUID.parse(given);
  if (id !== null) return id;
  const msg = `Input should be ${UUID.shape}`;
  const error = { type: UUID.type, loc: ['path', name], msg, input: given.slice(0, 200) };
  sendDetail(reply, 422, [error]);
  return null;
}
