/** `orderonce dead-letters`: what was set aside, why, and the way back. */
import { hostname, userInfo } from 'node:os';
import {
  discard,
  type RedriveContext,
  type RedriveResult,
  redrive,
} from '../dead-letters/redrive.ts';
import { OrderonceError } from '../errors.ts';
import { loadHandlers } from '../handlers/load-handlers.ts';
import type { Settings } from '../settings.ts';
import {
  findLetter,
  groupLetters,
  type LetterFilter,
  type LetterPlace,
  type LetterState,
  listLetters,
  type StoredLetter,
} from '../store/dead-letter-queue.ts';
import type { Pool } from '../store/pool.ts';
import type { Call, Flags } from './command.ts';
import { databaseUrlOf, openPool } from './database.ts';

export const DEAD_LETTERS_HELP =
  'list | groups | show PLACE | redrive PLACE (or --all, --reason) | discard PLACE --reason WHY';

const PAGE = 200;

export async function runDeadLetters(call: Call): Promise<number> {
  const { settings, flags, words } = call;
  const [action = 'list', place] = words;
  const pool = openPool(await databaseUrlOf(settings), 'orderonce-dead-letters');
  const say = (line: string, value: unknown) =>
    console.log(flags.json === true ? JSON.stringify(value) : line);
  try {
    switch (action) {
      case 'list':
        for (const letter of await listLetters(pool, filterOf(flags))) say(lineOf(letter), letter);
        return 0;
      case 'groups':
        for (const group of await groupLetters(pool)) {
          say(`${group.count}  ${group.state}  ${group.reason}  ${group.sqlState ?? ''}`, group);
        }
        return 0;
      case 'show': {
        const letter = await findLetter(pool, parsePlace(place));
        if (letter === null) throw unknown();
        say(pageOf(letter), { ...letter, ...readable(letter) });
        return 0;
      }
      case 'redrive':
        return report(await redriveWanted(await contextOf(pool, settings), flags, place), say);
      case 'discard': {
        if (flags.reason === undefined) throw usage('discard needs --reason WHY');
        const context = await contextOf(pool, settings);
        return report(await discard(context, parsePlace(place), flags.reason), say);
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
  const { HANDLERS_MODULE: path, HANDLER_TIMEOUT_MS: timeoutMs } = settings;
  const handlers = path === undefined ? [] : await loadHandlers(path);
  const set = { handlers, timeoutMs, attemptsMax: settings.HANDLER_ATTEMPTS_MAX };
  return { pool, handlers: set, actor: `${userInfo().username}@${hostname()}` };
}

async function redriveWanted(
  context: RedriveContext,
  flags: Flags,
  place: string | undefined,
): Promise<RedriveResult[]> {
  if (place !== undefined) return await redrive(context, parsePlace(place));
  if (flags.all !== true && flags.reason === undefined) {
    throw usage('redrive needs a PLACE, --all, or --reason REASON');
  }
  const results: RedriveResult[] = [];
  let after: LetterPlace | undefined;
  for (;;) {
    // Only parked ones are asked for: those that wait follow by themselves, in order.
    const letters: StoredLetter[] = await listLetters(context.pool, {
      state: 'parked',
      limit: PAGE,
      ...(flags.reason === undefined ? {} : { reason: flags.reason }),
      ...(after === undefined ? {} : { after }),
    });
    for (const letter of letters) results.push(...(await redrive(context, letter)));
    after = letters.at(-1);
    if (after === undefined) return results;
  }
}

function report(results: RedriveResult[], say: (line: string, value: unknown) => void): number {
  for (const result of results) {
    say(`${placeText(result)}  ${result.outcome}  ${result.message ?? ''}`.trimEnd(), result);
  }
  return results.some(({ outcome }) => outcome === 'failed' || outcome === 'behind') ? 1 : 0;
}

function filterOf({ state, reason, event, order, limit = '50', after }: Flags): LetterFilter {
  if (state !== undefined && !['parked', 'waiting', 'discarded'].includes(state)) {
    throw usage(`--state is parked, waiting or discarded, not "${state}"`);
  }
  if (!/^\d{1,5}$/.test(limit)) throw usage(`--limit is a number, not "${limit}"`);
  return {
    limit: Number(limit),
    ...(state === undefined ? {} : { state: state as LetterState }),
    ...(reason === undefined ? {} : { reason }),
    ...(event === undefined ? {} : { eventId: event }),
    ...(order === undefined ? {} : { orderId: order }),
    ...(after === undefined ? {} : { after: parsePlace(after) }),
  };
}

const placeText = ({ logId, partition, offset }: LetterPlace) => `${logId}/${partition}/${offset}`;

function parsePlace(text: string | undefined): LetterPlace {
  const match = /^(\d+)\/(\d+)\/(\d+)$/.exec(text ?? '');
  if (match === null) throw usage('PLACE is log/partition/offset, as "list" shows it: 1/0/17');
  const [logId, partition, offset] = match.slice(1).map(Number) as [number, number, number];
  return { logId, partition, offset };
}

function lineOf(letter: StoredLetter): string {
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
    `parked at   ${letter.parkedAt.toISOString()}, last change ${letter.updatedAt.toISOString()}`,
    `appended at ${letter.appendedAt?.toISOString() ?? 'unknown'}`,
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
