/**
 * `orderonce dead-letters redrive|edit|discard`. The command asks a consumer over HTTP, which does
 * the work with its own handlers; a redrive of many is a job there, which survives this command. If
 * no consumer answers, or with --local, this process does the work (redrive-here.ts).
 */

import { readFile } from 'node:fs/promises';
import { lineOf } from '../admin/dead-letter-actions.ts';
import type { RedriveResult } from '../dead-letters/redrive-one.ts';
import { OrderonceError, reasonOf } from '../errors.ts';
import type { Settings } from '../settings/settings.ts';
import { readDeploymentId } from '../store/deployment-handlers.ts';
import { placeText } from '../store/log-place.ts';
import { actorName } from './actor.ts';
import { type Call, EXIT } from './command.ts';
import { ConsumerApi, type JobRequest } from './consumer-api.ts';
import { databaseUrlOf, openPool } from './database.ts';
import type { Flags } from './flags.ts';
import { outcomesText } from './job-text.ts';
import { type Output, plain } from './output.ts';
import { redriveHere, redriveManyHere, type Wish } from './redrive-here.ts';
import { untilEnd } from './until-end.ts';
import { placeOf, usageError, wholeNumber } from './values.ts';
import { watchJob } from './watch-job.ts';

/** The actions that change dead letters. */
export const REDRIVE_ACTIONS = ['redrive', 'edit', 'discard'];

const COUNT_MAX = 999_999_999;
const RATE_MAX = 1000;

/** A redrive of many, or the plan of one. */
type ManyWish = { readonly action: 'many'; readonly request: JobRequest };

/**
 * @returns the exit code: 1 if an event failed again or stays behind another one of its order.
 * @throws NOTHING_MATCHES, DEAD_LETTER_UNKNOWN (exit code 4); HANDLERS_DIFFER (2) if this process
 * would have to do it with other handlers; CONSUMER_UNREACHABLE (3) if the consumer at --url does
 * not answer.
 */
export async function runRedrive(call: Call): Promise<number> {
  const wish = await wishOf(call);
  const { settings, flags, out } = call;
  const { local = false, plan = false, url } = flags;
  if (local && url !== undefined) throw usageError('--local and --url exclude each other');
  if (local && plan) throw usageError('--local and --plan exclude each other: a consumer plans');
  const api = new ConsumerApi(settings, url, actorName());
  const consumer = local ? null : await api.ask();
  if (consumer === null && (plan || url !== undefined)) throw noConsumer(api, plan);
  if (consumer !== null) {
    await assertSameDatabase(settings, consumer.deployment, api.baseUrl);
    if (plan) return await printPlan(api, wish, out);
    if (wish.action === 'many') return await runJob(api, wish.request, out);
    return report(await api.act(wish.action, placeText(wish.place), wish.body), wish, out);
  }
  if (wish.action === 'many') return await redriveManyHere(call, wish.request, api.baseUrl);
  return report(await redriveHere(call, wish, api.baseUrl), wish, out);
}

function noConsumer({ baseUrl }: ConsumerApi, isPlan: boolean): OrderonceError {
  const orElse = isPlan ? '' : ', or use --local with the HANDLERS_MODULE of the deployment';
  const message = `No consumer answers at ${baseUrl}. Start it, set the URL of another one with --url${orElse}`;
  return new OrderonceError('CONSUMER_UNREACHABLE', message);
}

/**
 * The consumer that answers on this port may belong to another deployment. A dead letter of that
 * one can have the same place, but it is another record. If this process has no database, or
 * either side cannot tell its id, the consumer is trusted.
 * @throws SETTING_INVALID if the consumer works on another database.
 */
async function assertSameDatabase(
  settings: Settings,
  deployment: string | null,
  url: string,
): Promise<void> {
  const databaseUrl = await databaseUrlOf(settings).catch(() => null);
  if (databaseUrl === null || deployment === null) return;
  const pool = openPool(databaseUrl, 'orderonce-dead-letters');
  const ours = await readDeploymentId(pool).catch(() => null);
  await pool.end();
  if (ours === null || ours === deployment) return;
  const message = `The consumer at ${url} works on another database than DATABASE_URL. Set the URL of the right consumer with --url, or correct DATABASE_URL`;
  throw usageError(message);
}

async function printPlan(api: ConsumerApi, wish: Wish | ManyWish, out: Output): Promise<number> {
  const request = wish.action === 'many' ? wish.request : { places: [placeText(wish.place)] };
  const plan = await api.plan(request);
  if (plan.count === 0) throw nothingMatches(request);
  const { count, total, tried, outcomes, needs } = plan;
  const lines = tried.map(({ place, outcome, message = '' }) =>
    `${place}  ${outcome}  ${plain(message)}`.trimEnd(),
  );
  const needed = needs.includes('count') ? ` It needs --count ${count} and --why TEXT.` : '';
  const last = `${count} dead letters match; ${total} would be redriven. Of the first ${tried.length}, tried and rolled back: ${outcomesText(outcomes)}.${needed}`;
  out.data([...lines, last].join('\n'), plan);
  return EXIT.ok;
}

/** Starts a job and watches it. A job that would find nothing is not started. */
async function runJob(api: ConsumerApi, request: JobRequest, out: Output): Promise<number> {
  const end = untilEnd(undefined);
  try {
    if (!(await isAnyParked(api, request))) {
      if (isFiltered(request)) throw nothingMatches(request);
      out.data('No dead letter is parked', { redrive_id: null, tried: 0, outcomes: {} });
      return EXIT.ok;
    }
    const { redrive_id, total } = await api.start(request).catch(async (error: unknown) => {
      throw await explained(error, api, request);
    });
    out.say(`Redrive ${redrive_id}: ${total} dead letters, by a consumer of ${api.baseUrl}`);
    return await watchJob(api, redrive_id, out, end.signal);
  } finally {
    end.stop();
  }
}

async function isAnyParked(api: ConsumerApi, { filter = {} }: JobRequest): Promise<boolean> {
  const query = new URLSearchParams({ state: 'parked', limit: '1' });
  for (const [name, value] of Object.entries(filter)) {
    if (value !== undefined) query.set(name, value);
  }
  const { items } = await api.get<{ items: readonly unknown[] }>(`/dead-letters?${query}`);
  return items.length > 0;
}

/** If the API demands a count and a reason, the error says which, and how to give them. */
async function explained(error: unknown, api: ConsumerApi, request: JobRequest): Promise<unknown> {
  const isAsked = request.count !== undefined && request.reason !== undefined;
  if (!(error instanceof OrderonceError) || error.code !== 'SETTING_INVALID' || isAsked) {
    return error;
  }
  const { count, needs } = await api.plan({ ...request, first: 1 }).catch(() => ({
    count: 0,
    needs: [] as readonly string[],
  }));
  const isMany = needs.includes('count') || error.message.includes('count: Field required');
  if (!isMany) return error;
  return usageError(
    `${count} dead letters match. More than 100 need their exact number and why: look at --plan, then add --count ${count} --why TEXT`,
  );
}

const isFiltered = ({ filter = {} }: JobRequest) =>
  Object.values(filter).some((value) => value !== undefined);

function nothingMatches({ filter, places }: JobRequest): OrderonceError {
  const what = places === undefined ? JSON.stringify(filter) : places.join(', ');
  const message = `No parked dead letter matches ${what}. See "orderonce dead-letters groups"`;
  return new OrderonceError('NOTHING_MATCHES', message);
}

/** @throws SETTING_INVALID */
async function wishOf({ flags, action, words: [word] }: Call): Promise<Wish | ManyWish> {
  if (action === 'redrive') return redriveWish(flags, word);
  const place = placeOf(word);
  if (action === 'edit') {
    const body = await readFile(flags.payload ?? '').catch((error: unknown) => {
      throw usageError(`The file of --payload cannot be read: ${reasonOf(error)}`);
    });
    return { action, place, body };
  }
  return {
    action: 'discard',
    place,
    body: Buffer.from(JSON.stringify({ reason: flags.reason ?? '' })),
  };
}

/** One dead letter by its place; or all parked ones, or those of a reason or an order. */
function redriveWish(flags: Flags, place: string | undefined): Wish | ManyWish {
  const { all, reason, order, count, why, rate, first } = flags;
  const isMany = all === true || reason !== undefined || order !== undefined;
  if (place !== undefined) {
    const ofMany = [count, why, rate, first].some((flag) => flag !== undefined);
    if (isMany || ofMany)
      throw usageError('A PLACE is one dead letter: leave out the other options');
    return { action: 'redrive', place: placeOf(place), body: Buffer.alloc(0) };
  }
  if (!isMany) throw usageError('redrive needs a PLACE, --all, --reason REASON or --order ID');
  if (all === true && (reason !== undefined || order !== undefined))
    throw usageError('--all means all parked dead letters: leave out --reason and --order');
  return {
    action: 'many',
    request: {
      filter: { reason, order_id: order },
      count: wholeNumber('--count', count, COUNT_MAX),
      reason: why,
      per_second: wholeNumber('--rate', rate, RATE_MAX),
      first: wholeNumber('--first', first, COUNT_MAX),
    },
  };
}

/** Prints the results of one dead letter and those that followed it. */
function report(results: readonly RedriveResult[], { place, action }: Wish, out: Output): number {
  const isGone = results.length === 1 && results[0]?.outcome === 'gone';
  for (const result of results) {
    const text = `${placeText(result)}  ${result.outcome}  ${plain(result.message ?? '')}`;
    out.data(text.trimEnd(), lineOf(result));
  }
  if (isGone) {
    const at = placeText(place);
    const message = `There is no dead letter to ${action} at ${at}: it was redriven or discarded before, or there never was one. See "orderonce dead-letters audit ${at}"`;
    throw new OrderonceError('DEAD_LETTER_UNKNOWN', message);
  }
  if (action === 'discard') out.say(`Discarded ${placeText(place)}`);
  const isLeft = results.some(({ outcome }) => outcome === 'failed' || outcome === 'behind');
  return isLeft ? EXIT.failed : EXIT.ok;
}
