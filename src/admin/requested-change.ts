/** What the routes that change something have in common. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendDetail } from '../runtime/http-server.ts';
import { whyNoChange } from './change-guard.ts';

const REASON_CHARS_MAX = 1000;

/** Answers 403 if the request may not make changes. @returns whether it did. */
export function isRefused(request: FastifyRequest, reply: FastifyReply): boolean {
  const why = whyNoChange(request);
  if (why !== null) sendDetail(reply, 403, why);
  return why !== null;
}

/** The reason in a body of the form {"reason": "…"}; null if there is none. */
export function reasonIn(body: Buffer | undefined): string | null {
  try {
    // Invalid bytes are not replaced, because the stored reason would then differ from the one sent.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body);
    const { reason } = JSON.parse(text) as { reason?: unknown };
    if (typeof reason !== 'string' || reason.trim() === '') return null;
    return reason.slice(0, REASON_CHARS_MAX);
  } catch {
    return null;
  }
}
