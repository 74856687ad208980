/** The continuous proof over HTTP: its state, and the acknowledgement of findings. */
import type { FastifyRequest } from 'fastify';
import { OrderonceError } from '../errors.ts';
import { type HttpServer, sendDetail } from '../runtime/http-server.ts';
import { acknowledgeFinding, listFindings } from '../store/proof-findings.ts';
import { readProofSummary } from '../store/proof-summary.ts';
import type { Queryable } from '../store/queryable.ts';
import { actorOf } from './change-guard.ts';
import { ACKNOWLEDGE, GET_PROOF } from './proof-operations.ts';
import { isRefused, reasonIn } from './requested-change.ts';

const ITEMS_MAX = 100;
const ID = /^\d{1,15}$/;

type FindingRequest = FastifyRequest<{ Params: { id: string }; Body: Buffer | undefined }>;

/** Adds `GET /proof` and `POST /proof/findings/{id}/acknowledge`. */
export function addProofRoutes(app: HttpServer, db: Queryable): void {
  app.get('/proof', { config: { operation: GET_PROOF } }, async () => ({
    ...(await readProofSummary(db)),
    items: await listFindings(db, ITEMS_MAX),
  }));
  app.post(
    '/proof/findings/:id/acknowledge',
    { config: { operation: ACKNOWLEDGE } },
    async (request: FindingRequest, reply) => {
      if (isRefused(request, reply)) return reply;
      const { id } = request.params;
      if (!ID.test(id)) return sendDetail(reply, 404, `There is no finding ${id.slice(0, 20)}`);
      const reason = reasonIn(request.body);
      if (reason === null) {
        return sendDetail(reply, 422, 'The body must be {"reason": "why it may stay"}');
      }
      try {
        return await acknowledgeFinding(db, Number(id), { actor: actorOf(request), reason });
      } catch (error) {
        if (!(error instanceof OrderonceError) || error.code !== 'FINDING_UNKNOWN') throw error;
        return sendDetail(reply, 404, error.message);
      }
    },
  );
}
