/** `orderonce dead-letters`: what was set aside, why, and the way back. */
import { readFile } from 'node:fs/promises';
import { hostname, userInfo } from 'node:os';
import {
  discard,
  type RedriveContext,
  type RedriveResult,
  type RedriveStep,
  redrive,
  redriveEdited,
  redriveMatching,
} from '../dead-letters/redrive.ts';
import { OrderonceError, reasonOf } from '../errors.ts';
import { handlerSetOf } from '../handlers/handler-set.ts';
import type { Settings } from '../settings.ts';
import {
  findLetter,
  groupLetters,
  type LetterFilter,
  type LetterState,
  type ListedLetter,
  listLetters,
  readAudit,
  type StoredLetter,
} from '../store/dead-letter-queue.ts';
import { type LogPlace, parsePlace, placeText } from '../store/log-place.ts';
import type { Pool } from '../store/pool.ts';
import type { Call, Flags } from './command.ts';
import { databaseUrlOf, openPool } from './database.ts';

export const DEAD_LETTERS_HELP =
  'list | groups | show PLACE | redrive PLACE (or --all, --reason, --order) | edit PLACE --payload FILE | ' +
  'discard PLACE --reason WHY | audit PLACE';

/** One line: as text, or as the value that --json asks for. */
type Say = (line: string, value: unknown) => void;

export async function runDeadLetters(call: Call): Promise<number> {
  const { settings, flags, words } = call;
  const [action = 'list', place] = words;
  const pool = openPool(await databaseUrlOf(settings), 'orderonce-dead-letters');
  const say: Say = (line, value) => console.log(flags.json === true ? JSON.stringify(value) : line);
  try {
    switch (action) {
      case 'list':
        for (const letter of await listLetters(pool, filterOf(flags))) say(lineOf(letter), letter);
        return 0;
      case 'groups':
        for (const group of await groupLetters(pool)) {
          say(`${group.count}  ${group.state}  ${group.reason}  ${group.sqlstate ?? ''}`, group);
        }
        return 0;
      case 'show': {
        const letter = await findLetter(pool, placeOf(place));
        if (letter === null) throw unknown();
        say(pageOf(letter), { ...letter, ...readable(letter) });
        return 0;
      }
      case 'redrive':
        return await report(redriveWanted(await contextOf(pool, settings), flags, place), say);
      case 'edit': {
        if (flags.payload === undefined) throw usage('edit needs --payload FILE: the whole event');
        const payload = await readFile(flags.payload).catch((error) => {
          throw usage(`--payload: ${reasonOf(error)}`);
        });
        const context = await contextOf(pool, settings);
        return await report(inOneGo(redriveEdited(context, placeOf(place), payload)), say);
      }
      case 'audit':
        for (const entry of await readAudit(pool, placeOf(place)))
          say(JSON.stringify(entry), entry);
        return 0;
      case 'discard': {
        if (flags.reason === undefined) throw usage('discard needs --reason WHY');
        const context = await contextOf(pool, settings);
        return await report(inOneGo(discard(context, placeOf(place), flags.reason)), say);
      }
      default:
        throw usage(`"${action}" is none of ${DEAD_LETTERS_HELP}`);
    }
  } finally {
    await pool.end();
  }
}

/** Redrive runs the same handlers as the consumer: with others, or none, it would do something else. */
async function contextOf(pool: Pool, settings: Settings): Promise<RedriveContext> {
  const actor = `${userInfo().username}@${hostname()}`;
  return { pool, handlers: await handlerSetOf(settings), actor };
}

/** By place, or all parked ones of a reason or an order. */
function redriveWanted(
  context: RedriveContext,
  flags: Flags,
  place: string | undefined,
): AsyncIterable<RedriveResult> {
  if (place !== undefined) return inOneGo(redrive(context, placeOf(place)));
  const { all, reason, order: orderId } = flags;
  if (all !== true && reason === undefined && orderId === undefined) {
    throw usage('redrive needs a PLACE, --all, --reason REASON or --order ID');
  }
  return flattened(redriveMatching(context, { reason, orderId }));
}

async function* flattened(steps: AsyncIterable<RedriveStep>): AsyncGenerator<RedriveResult> {
  for await (const { results } of steps) yield* results;
}

async function* inOneGo(results: Promise<RedriveResult[]>): AsyncGenerator<RedriveResult> {
  yield* await results;
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

function filterOf({ state, reason, event, order, limit = '50', after }: Flags): LetterFilter {
  if (state !== undefined && !['parked', 'waiting', 'discarded'].includes(state)) {
    throw usage(`--state is parked, waiting or discarded, not "${state}"`);
  }
  if (!/^\d{1,5}$/.test(limit)) throw usage(`--limit is a number, not "${limit}"`);
  return {
    limit: Number(limit),
    state: state as LetterState | undefined,
    reason,
    eventId: event,
    orderId: order,
    after: after === undefined ? undefined : placeOf(after),
  };
}

function placeOf(text: string | undefined): LogPlace {
  const place = parsePlace(text ?? '');
  if (place !== null) return place;
  throw usage('PLACE is log/partition/offset, as "list" shows it: 1/0/17');
}

function lineOf(letter: ListedLetter): string {
  const { state, reason, sqlState, eventId, orderId, attempts } = letter;
  const ids = `event ${eventId ?? '?'}  order ${orderId ?? '?'}`;
  return `${placeText(letter)}  ${state}  ${reason} ${sqlState ?? ''}  ${ids}  attempts ${attempts}`;
}

/** The bytes as text, where they are text; for reading only. */
function readable({ key, value }: StoredLetter) {
  return { key: key?.toString('utf8') ?? null, value: value?.toString('utf8') ?? null };
}

function pageOf(letter: StoredLetter): string {
  const { key, value } = readable(letter);
  return [
    lineOf(letter),
    `parked at   ${letter.parkedAt}, last change ${letter.updatedAt}`,
    `appended at ${letter.appendedAt ?? 'unknown'}`,
    `why         ${JSON.stringify(letter.detail)}`,
    `headers     ${JSON.stringify(letter.headers)} (base64)`,
    `key         ${JSON.stringify(key)}`,
    `value       ${JSON.stringify(value)}`,
    `value hex   ${letter.value?.toString('hex') ?? 'NULL'}`,
  ].join('\n');
}

function usage(message: string): OrderonceError {
  return new OrderonceError('SETTING_INVALID', message);
}

function unknown(): OrderonceError {
  return new OrderonceError('DEAD_LETTER_UNKNOWN', 'There is no such dead letter');
}
