/**
 * `orderonce dead-letters redrive|edit|discard`: done by a consumer, over HTTP, with the handlers
 * that it runs. Where none answers, or --local is given, they are done here, but only with the very
 * handlers that the deployment has recorded: with others, or none, an event would take effect
 * without them.
 */
import { readFile } from 'node:fs/promises';
import { hostname, userInfo } from 'node:os';
import { discard, redrive, redriveEdited, redriveMatching } from '../dead-letters/redrive.ts';
import type { RedriveContext, RedriveResult } from '../dead-letters/redrive-one.ts';
import { OrderonceError, reasonOf } from '../errors.ts';
import { assertSameHandlers, identityOf } from '../handlers/handlers-identity.ts';
import { handlerSetOf } from '../services/handler-set.ts';
import { isWithoutOrders, type Settings } from '../settings/settings.ts';
import { readDeployedHandlers, readDeploymentId } from '../store/deployment-handlers.ts';
import { type LogPlace, parsePlace, placeText } from '../store/log-place.ts';
import type { Pool } from '../store/pool.ts';
import type { Call, Flags } from './command.ts';
import { ConsumerApi } from './consumer-api.ts';
import { databaseUrlOf, openPool } from './database.ts';

export const REDRIVE_ACTIONS = ['redrive', 'edit', 'discard'];

/** One line: as text, or as the value that --json asks for. */
export type Say = (line: string, value: unknown) => void;

/** What is asked for, read from the command line before anything is done. */
type Wish =
  | {
      readonly action: 'redrive' | 'edit' | 'discard';
      readonly place: LogPlace;
      readonly body: Buffer;
    }
  | { readonly action: 'matching'; readonly reason?: string; readonly orderId?: string };

/** Exit code 1 where anything failed again, 2 with HANDLERS_DIFFER, 3 where nobody can do it. */
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
 * Another deployment's consumer may answer on this port: its dead letters are not those that were
 * meant. Where either side cannot be asked, the consumer's is taken.
 * @throws SETTING_INVALID
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
  const message = `The consumer at ${url} works on another database than the one set here. Name the right one with --url, or set DATABASE_URL`;
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
    const message = `No consumer answers at ${url}, and it cannot be done here. ${error.message}`;
    throw new OrderonceError(error.code, message);
  }
  if (flags.local !== true) {
    console.error(`No consumer answers at ${url}: done here, with the handlers of the deployment`);
  }
  return { pool, handlers, withoutOrders: isWithoutOrders(settings), actor };
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
  const place = placeOf(word);
  if (action === 'edit') {
    if (flags.payload === undefined) throw usage('edit needs --payload FILE: the whole event');
    const body = await readFile(flags.payload).catch((error: unknown) => {
      throw usage(`--payload: ${reasonOf(error)}`);
    });
    return { action, place, body };
  }
  if (flags.reason === undefined) throw usage('discard needs --reason WHY');
  return { action: 'discard', place, body: Buffer.from(JSON.stringify({ reason: flags.reason })) };
}

/** By place, or all parked ones of a reason or an order. */
function redriveWish({ all, reason, order }: Flags, place: string | undefined): Wish {
  if (place !== undefined) {
    return { action: 'redrive', place: placeOf(place), body: Buffer.alloc(0) };
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

/** Says each result as it comes: a long redrive shows how far it is, and what it did if it breaks. */
async function report(results: AsyncIterable<RedriveResult>, say: Say): Promise<number> {
  let isAnyLeft = false;
  for await (const result of results) {
    say(`${placeText(result)}  ${result.outcome}  ${result.message ?? ''}`.trimEnd(), result);
    isAnyLeft ||= result.outcome === 'failed' || result.outcome === 'behind';
  }
  return isAnyLeft ? 1 : 0;
}

/** @throws SETTING_INVALID */
export function placeOf(text: string | undefined): LogPlace {
  const place = parsePlace(text ?? '');
  if (place !== null) return place;
  throw usage('PLACE is log/partition/offset, as "list" shows it: 1/0/17');
}

export function usage(message: string): OrderonceError {
  return new OrderonceError('SETTING_INVALID', message);
}
