/** `GET /processes` and `GET /doctor`. */
import { reasonOf } from '../errors.ts';
import { type HttpServer, sendDetail } from '../runtime/http-server.ts';
import { listProcesses } from '../store/processes.ts';
import type { Queryable } from '../store/queryable.ts';
import type { DoctorCache } from './doctor-cache.ts';
import { GET_DOCTOR, GET_PROCESSES, OF_DOCTOR } from './fleet-operations.ts';
import { readQuery } from './query-string.ts';

/**
 * Adds the routes.
 * @param owner the name of this process.
 * @param doctor null if this process cannot make the checks.
 */
export function addFleetRoutes(
  app: HttpServer,
  db: Queryable,
  owner: string,
  doctor: DoctorCache | null,
): void {
  app.get('/processes', { config: { operation: GET_PROCESSES } }, async () => ({
    items: (await listProcesses(db)).map((one) => ({
      owner: one.owner,
      service: one.service,
      version: one.version,
      state: one.isMissing ? 'missing' : 'running',
      is_this: one.owner === owner,
      handlers: { names: one.handlers, digest: one.handlersDigest },
      started_at: one.startedAt,
      seen_at: one.seenAt,
      partitions: one.partitions,
    })),
  }));
  app.get('/doctor', { config: { operation: GET_DOCTOR } }, async (request, reply) => {
    const query = readQuery(request.url, OF_DOCTOR);
    if (!query.ok) return sendDetail(reply, 422, query.errors);
    const advice = 'Run "orderonce doctor" on the machine';
    if (doctor === null) return sendDetail(reply, 503, `This process makes no checks. ${advice}`);
    try {
      return reply.send(await doctor.read(query.values.fresh === 'true'));
    } catch (error) {
      return sendDetail(reply, 503, `${reasonOf(error)}. ${advice}`);
    }
  });
}
