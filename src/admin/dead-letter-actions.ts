/** Redrive, edit and discard of dead letters over HTTP, as `orderonce dead-letters` calls them. */
import type { FastifyRequest } from 'fastify';
import { checkEdit } from '../dead-letters/check-edit.ts';
import { discard, redrive, redriveEdited, redriveMatching } from '../dead-letters/redrive.ts';
import type { RedriveContext, RedriveResult } from '../dead-letters/redrive-one.ts';
import { OrderonceError } from '../errors.ts';
import { type HttpServer, sendDetail } from '../runtime/http-server.ts';
import type { Operation } from '../runtime/operation.ts';
import { type LogPlace, placeText } from '../store/log-place.ts';
import { actorOf } from './change-guard.ts';
import {
  CHECK,
  DISCARD,
  EDIT,
  OF_CHECK,
  OF_MANY,
  REDRIVE,
  REDRIVE_MANY,
  RESULTS_MAX,
} from './dead-letter-operations.ts';
import { idParameters } from './path-id.ts';
import { type PlaceParams, placeIn } from './path-place.ts';
import { readQuery } from './query-string.ts';
import { isRefused, reasonIn } from './requested-change.ts';

const PLACE_URL = '/dead-letters/:log_id/:partition/:offset';

type PlaceRequest = FastifyRequest<{ Params: PlaceParams; Body: Buffer | undefined }>;
type Act = (context: RedriveContext, place: LogPlace, body: Buffer) => Promise<RedriveResult[]>;

/**
 * Adds the routes that change dead letters. A request that may not make changes is answered 403.
 * @param parts what every redrive needs; the actor is taken from each request.
 */
export function addDeadLetterActions(app: HttpServer, parts: Omit<RedriveContext, 'actor'>): void {
  addAction(app, parts, 'redrive', REDRIVE, redrive);
  addAction(app, parts, 'edit', EDIT, redriveEdited);
  addAction(app, parts, 'discard', DISCARD, (context, place, body) =>
    discard(context, place, whyDiscard(body)),
  );
  addCheck(app, parts);
  const parameters = { ...OF_MANY, order_id: idParameters(parts.rules).order_id };
  app.post(
    '/dead-letters/redrive',
    { config: { operation: REDRIVE_MANY } },
    async (request, reply) => {
      if (isRefused(request, reply)) return reply;
      const query = readQuery(request.url, parameters);
      if (!query.ok) return sendDetail(reply, 422, query.errors);
      const { all, after, reason, order_id: orderId, limit = RESULTS_MAX } = query.values;
      if (all === undefined && reason === undefined && orderId === undefined) {
        return sendDetail(reply, 422, 'Set one of ?reason=, ?order_id= and ?all=true');
      }
      const context = { ...parts, actor: actorOf(request) };
      const done: RedriveResult[] = [];
      let next: string | null = null;
      for await (const { asked, results } of redriveMatching(context, { reason, orderId, after })) {
        done.push(...results);
        if (done.length < limit) continue;
        next = placeText(asked);
        break;
      }
      return reply.send({ results: done.map(lineOf), next });
    },
  );
}

function addAction(
  app: HttpServer,
  parts: Omit<RedriveContext, 'actor'>,
  name: string,
  operation: Operation,
  act: Act,
): void {
  app.post(
    `${PLACE_URL}/${name}`,
    { config: { operation } },
    async (request: PlaceRequest, reply) => {
      if (isRefused(request, reply)) return reply;
      const place = placeIn(reply, request.params);
      if (place === null) return reply;
      const context = { ...parts, actor: actorOf(request) };
      try {
        const results = await act(context, place, request.body ?? Buffer.alloc(0));
        return reply.send({ results: results.map(lineOf) });
      } catch (error) {
        if (!(error instanceof OrderonceError) || error.kind !== 'rejected') throw error;
        const status = error.code === 'DEAD_LETTER_UNKNOWN' ? 404 : 422;
        return sendDetail(reply, status, Array.isArray(error.cause) ? error.cause : error.message);
      }
    },
  );
}

function addCheck(app: HttpServer, parts: Omit<RedriveContext, 'actor'>): void {
  app.post(
    `${PLACE_URL}/check`,
    { config: { operation: CHECK } },
    async (request: PlaceRequest, reply) => {
      if (isRefused(request, reply)) return reply;
      const place = placeIn(reply, request.params);
      if (place === null) return reply;
      const query = readQuery(request.url, OF_CHECK);
      if (!query.ok) return sendDetail(reply, 422, query.errors);
      const context = { ...parts, actor: actorOf(request) };
      const body = request.body ?? Buffer.alloc(0);
      try {
        const check = await checkEdit(context, place, body, query.values.try === 'true');
        return reply.send({ ...check, tried: check.tried && lineOf(check.tried) });
      } catch (error) {
        if (!(error instanceof OrderonceError) || error.code !== 'DEAD_LETTER_UNKNOWN') throw error;
        return sendDetail(reply, 404, error.message);
      }
    },
  );
}

/** @throws EDIT_REFUSED */
function whyDiscard(body: Buffer): string {
  const reason = reasonIn(body);
  if (reason !== null) return reason;
  throw new OrderonceError('EDIT_REFUSED', 'The body must be {"reason": "why you discard it"}');
}

/** A result as the API answers it. */
export function lineOf(result: RedriveResult) {
  const { outcome, message } = result;
  return { place: placeText(result), outcome, ...(message === undefined ? {} : { message }) };
}
