/**
 * `orderonce dead-letters redrive|edit|discard`. The command asks a consumer over HTTP, which does
 * the work with its own handlers. If no consumer answers, or with --local, this process does the
 * work. It then needs the handlers that the deployment has recorded. With other handlers or none,
 * the events would take effect without those of the deployment.
 */

import { readFile } from 'node:fs/promises';
import { hostname, userInfo } from 'node:os';
import { discard, redrive, redriveEdited, redriveMatching } from '../dead-letters/redrive.ts';
import type { RedriveContext, RedriveResult } from '../dead-letters/redrive-one.ts';
import { OrderonceError, reasonOf } from '../errors.ts';
import { assertSameHandlers, identityOf } from '../handlers/handlers-identity.ts';
import { eventModelOf } from '../services/event-model.ts';
import { handlerSetOf } from '../services/handler-set.ts';
import type { Settings } from '../settings/settings.ts';
import { readDeployedHandlers, readDeploymentId } from '../store/deployment-handlers.ts';
import { type LogPlace, parsePlace, placeText } from '../store/log-place.ts';
import type { Pool } from '../store/pool.ts';
import type { Call, Flags } from './command.ts';
import { ConsumerApi } from './consumer-api.ts';
import { databaseUrlOf, openPool } from './database.ts';

/** The actions that change dead letters. */
export const REDRIVE_ACTIONS = ['redrive', 'edit', 'discard'];

/** Prints one line: the text, or with --json the value. */
export type Say = (line: string, value: unknown) => void;

/** What the command line asks for. All of it is read before anything is done. */
type Wish =
  | {
      readonly action: 'redrive' | 'edit' | 'discard';
      readonly place: LogPlace;
      readonly body: Buffer;
    }
  | { readonly action: 'matching'; readonly reason?: string; readonly orderId?: string };

/**
 * @returns the exit code: 1 if an event failed again or stays behind another one of its order.
 * @throws HANDLERS_DIFFER (exit code 2) if this process would have to do it with other handlers;
 * CONSUMER_UNREACHABLE (exit code 3) if the consumer at --url does not answer.
 */
export async function runRedrive(call: Call, say: Say): Promise<number> {
  const wish = await wishOf(call);
  const { settings, flags } = call;
  if (flags.local === true && flags.url !== undefined)
    throw usage('--local and --url exclude each other');
  const actor = `${userInfo().username}@${hostname()}`;
  const api = new ConsumerApi(settings, flags.url, actor);
  const consumer = flags.local === true ? null : await api.ask();
  if (consumer !== null || flags.url !== undefined) {
    await assertSameDatabase(settings, consumer?.deployment ?? null, api.baseUrl);
    return await report(overHttp(api, wish), say);
  }
  const pool = openPool(await databaseUrlOf(settings), 'orderonce-dead-letters');
  try {
    const context = await localContext(call, pool, actor, api.baseUrl);
    return await report(here(context, wish), say);
  } finally {
    await pool.end();
  }
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
  throw usage(message);
}

/** @throws HANDLERS_DIFFER */
async function localContext(
  { settings, flags }: Call,
  pool: Pool,
  actor: string,
  url: string,
): Promise<RedriveContext> {
  const handlers = await handlerSetOf(settings);
  const here = await identityOf(settings, handlers.handlers);
  try {
    assertSameHandlers(here, await readDeployedHandlers(pool));
  } catch (error) {
    if (flags.local === true || !(error instanceof OrderonceError)) throw error;
    const message = `No consumer answers at ${url}, and this process cannot do the work. ${error.message}`;
    throw new OrderonceError(error.code, message);
  }
  if (flags.local !== true) {
    console.error(
      `No consumer answers at ${url}. This process does the work, with the handlers of the deployment`,
    );
  }
  return { pool, handlers, ...(await eventModelOf(settings)), actor };
}

async function* overHttp(api: ConsumerApi, wish: Wish): AsyncGenerator<RedriveResult> {
  if (wish.action === 'matching') yield* api.redriveMatching(wish);
  else yield* await api.act(wish.action, placeText(wish.place), wish.body);
}

async function* here(context: RedriveContext, wish: Wish): AsyncGenerator<RedriveResult> {
  switch (wish.action) {
    case 'matching':
      for await (const { results } of redriveMatching(context, wish)) yield* results;
      return;
    case 'redrive':
      yield* await redrive(context, wish.place);
      return;
    case 'edit':
      yield* await redriveEdited(context, wish.place, wish.body);
      return;
    case 'discard': {
      const { reason } = JSON.parse(wish.body.toString('utf8')) as { reason: string };
      yield* await discard(context, wish.place, reason);
    }
  }
}

/** @throws SETTING_INVALID */
async function wishOf({ flags, words: [action, word] }: Call): Promise<Wish> {
  if (action === 'redrive') return redriveWish(flags, word);
  const place = placeArgument(word);
  if (action === 'edit') {
    if (flags.payload === undefined)
      throw usage('edit needs --payload FILE, a file that holds the whole event as JSON');
    const body = await readFile(flags.payload).catch((error: unknown) => {
      throw usage(`The file of --payload cannot be read: ${reasonOf(error)}`);
    });
    return { action, place, body };
  }
  if (flags.reason === undefined) throw usage('discard needs --reason WHY');
  return { action: 'discard', place, body: Buffer.from(JSON.stringify({ reason: flags.reason })) };
}

/** One dead letter by its place; or all parked ones, or those of a reason or an order. */
function redriveWish({ all, reason, order }: Flags, place: string | undefined): Wish {
  if (place !== undefined) {
    return { action: 'redrive', place: placeArgument(place), body: Buffer.alloc(0) };
  }
  if (all !== true && reason === undefined && order === undefined) {
    throw usage('redrive needs a PLACE, --all, --reason REASON or --order ID');
  }
  return {
    action: 'matching',
    ...(reason === undefined ? {} : { reason }),
    ...(order === undefined ? {} : { orderId: order }),
  };
}

/** Prints each result immediately, so that an interrupted redrive has shown what it did. */
async function report(results: AsyncIterable<RedriveResult>, say: Say): Promise<number> {
  let isAnyLeft = false;
  for await (const result of results) {
    say(`${placeText(result)}  ${result.outcome}  ${result.message ?? ''}`.trimEnd(), result);
    isAnyLeft ||= result.outcome === 'failed' || result.outcome === 'behind';
  }
  return isAnyLeft ? 1 : 0;
}

/** Reads log/partition/offset. @throws SETTING_INVALID */
export function placeArgument(text: string | undefined): LogPlace {
  const place = parsePlace(text ?? '');
  if (place !== null) return place;
  throw usage('PLACE must be log/partition/offset as "list" shows it, such as 1/0/17');
}

/** @returns the error for a wrong call of the command; exit code 2. */
export function usage(message: string): OrderonceError {
  return new OrderonceError('SETTING_INVALID', message);
}
