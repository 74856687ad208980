/** The routes about redrive jobs. A consumer of the deployment carries the jobs out. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type JobLetters, lastOfFirst } from '../dead-letters/job-letters.ts';
import { planOf } from '../dead-letters/plan.ts';
import type { RedriveContext } from '../dead-letters/redrive-one.ts';
import type { FieldError } from '../event/field-error.ts';
import { type HttpServer, sendDetail } from '../runtime/http-server.ts';
import { findJob, insertJob, listJobs, stopJob } from '../store/redrive-jobs.ts';
import { actorOf } from './change-guard.ts';
import { lineOf } from './dead-letter-actions.ts';
import { jobAnswer } from './job-answer.ts';
import { readQuery } from './query-string.ts';
import {
  CREATE_JOB,
  GET_JOB,
  LIST_JOBS,
  OF_JOBS,
  STOP_JOB,
  TRIED_MAX,
  UNCOUNTED_MAX,
} from './redrive-operations.ts';
import { type RedriveRequest, readRedriveRequest } from './redrive-request.ts';
import { isRefused } from './requested-change.ts';

const LIMIT = 100;
/** Jobs that wait or run. They are carried out one after the other by each consumer. */
const OPEN_MAX = 100;

type JobRequest = FastifyRequest<{ Params: { redrive_id: string } }>;

/**
 * Adds the routes.
 * @param parts what a plan needs to try redrives; the actor is taken from each request.
 * @param onCreated called after a job was stored.
 */
export function addRedriveRoutes(
  app: HttpServer,
  parts: Omit<RedriveContext, 'actor'>,
  onCreated: () => void,
): void {
  const db = parts.pool;
  app.get('/redrives', { config: { operation: LIST_JOBS } }, async (request, reply) => {
    const query = readQuery(request.url, OF_JOBS);
    if (!query.ok) return sendDetail(reply, 422, query.errors);
    const { limit = LIMIT, ...page } = query.values;
    const jobs = await listJobs(db, { ...page, limit });
    const last = jobs.length < limit ? undefined : jobs.at(-1);
    return reply.send({
      items: jobs.map(jobAnswer),
      next: last === undefined ? null : String(last.redriveId),
    });
  });
  app.get('/redrives/:redrive_id', { config: { operation: GET_JOB } }, async (request, reply) => {
    const id = jobIdIn(reply, request as JobRequest);
    if (id === null) return reply;
    const job = await findJob(db, id);
    return job === null ? noJob(reply, id) : reply.send(jobAnswer(job));
  });
  app.post(
    '/redrives/:redrive_id/stop',
    { config: { operation: STOP_JOB } },
    async (request, reply) => {
      if (isRefused(request, reply)) return reply;
      const id = jobIdIn(reply, request as JobRequest);
      if (id === null) return reply;
      const job = await stopJob(db, id, actorOf(request));
      return job === null ? noJob(reply, id) : reply.send(jobAnswer(job));
    },
  );
  app.post('/redrives', { config: { operation: CREATE_JOB } }, async (request, reply) => {
    if (isRefused(request, reply)) return reply;
    const verdict = readRedriveRequest(
      (request.body as Buffer | undefined) ?? Buffer.alloc(0),
      parts.rules,
    );
    if (!verdict.ok) return sendDetail(reply, 422, verdict.errors);
    const context = { ...parts, actor: actorOf(request) };
    if (verdict.request.isDryRun) return reply.send(await planAnswer(context, verdict.request));
    const created = await create(context, verdict.request, reply);
    if (created) onCreated();
    return reply;
  });
}

async function planAnswer(context: RedriveContext, request: RedriveRequest) {
  const { action, first } = request;
  const letters: JobLetters = request;
  const triedMax = action === 'redrive' ? Math.min(TRIED_MAX, first ?? TRIED_MAX) : 0;
  const { count, tried } = await planOf(context, letters, triedMax);
  const total = Math.min(count, first ?? count);
  const outcomes: Record<string, number> = {};
  for (const { outcome } of tried) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  return {
    action,
    count,
    total,
    tried: tried.map(lineOf),
    outcomes,
    needs: needsOf(request, total),
  };
}

/** Stores the job, and answers. @returns whether it was stored. */
async function create(
  { pool, actor, ...parts }: RedriveContext,
  request: RedriveRequest,
  reply: FastifyReply,
): Promise<boolean> {
  const { count } = await planOf({ pool, actor, ...parts }, request, 0);
  const total = Math.min(count, request.first ?? count);
  const missing = needsOf(request, total).filter((name) => request[name] === null);
  if (missing.length > 0) {
    sendDetail(reply, 422, missing.map(missingError));
    return false;
  }
  if (request.count !== null && request.count !== count) {
    const detail = `${count} dead letters match, but "count" says ${request.count}. Look at the plan again`;
    sendDetail(reply, 409, detail);
    return false;
  }
  const { action, filter, places, perSecond, reason } = request;
  const until = total < count ? await lastOfFirst(pool, request, total) : null;
  const job = { action, filter, places, until, total, perSecond, askedBy: actor, reason };
  const stored = await insertJob(pool, job, OPEN_MAX);
  if (stored === null) {
    sendDetail(reply, 409, `${OPEN_MAX} jobs wait or run already. Stop one, or wait`);
    return false;
  }
  reply.code(202).header('Location', `/redrives/${stored.redriveId}`).send(jobAnswer(stored));
  return true;
}

/** What a request needs besides: a bulk its exact count and a reason, a discard a reason. Pure. */
export function needsOf(
  { action }: Pick<RedriveRequest, 'action'>,
  total: number,
): ('count' | 'reason')[] {
  if (total > UNCOUNTED_MAX) return ['count', 'reason'];
  return action === 'discard' ? ['reason'] : [];
}

function missingError(name: string): FieldError {
  return { type: 'missing', loc: ['body', name], msg: 'Field required', input: null };
}

/** @returns the number; or null if it is none, after a reply with 422. */
function jobIdIn(reply: FastifyReply, { params }: JobRequest): number | null {
  const text = params.redrive_id;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  const msg = 'Input should be the number of a job';
  const input = text.slice(0, 200);
  sendDetail(reply, 422, [{ type: 'int_parsing', loc: ['path', 'redrive_id'], msg, input }]);
  return null;
}

function noJob(reply: FastifyReply, id: number): FastifyReply {
  return sendDetail(reply, 404, `There is no redrive job ${id}`);
}
