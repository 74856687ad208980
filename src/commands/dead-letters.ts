/** `orderonce dead-letters`: lists, shows, redrives, edits and discards dead letters. */
import { deadLetterLine, deadLetterPage } from '../admin/dead-letter-answer.ts';
import { OrderonceError } from '../errors.ts';
import { groupDeadLetters } from '../store/dead-letter-choice.ts';
import {
  type DeadLetterFilter,
  type DeadLetterState,
  findDeadLetter,
  type ListedDeadLetter,
  listDeadLetters,
  readAudit,
  type StoredDeadLetter,
} from '../store/dead-letter-queue.ts';
import { type LogPlace, placeText } from '../store/log-place.ts';
import type { Pool } from '../store/pool.ts';
import { type Call, EXIT } from './command.ts';
import { databaseUrlOf, openPool } from './database.ts';
import { didYouMean } from './did-you-mean.ts';
import type { Flags } from './flags.ts';
import { plain } from './output.ts';
import { REDRIVE_ACTIONS, runRedrive } from './redrive.ts';
import { placeOf, usageError } from './values.ts';

const WHY_CHARS = 120;

/**
 * @returns the exit code: 1 if an event could not be redriven.
 * @throws DEAD_LETTER_UNKNOWN, NOTHING_MATCHES (exit code 4)
 */
export async function runDeadLetters(call: Call): Promise<number> {
  const { settings, action, words } = call;
  if (REDRIVE_ACTIONS.includes(action ?? '')) return await runRedrive(call);
  const pool = openPool(await databaseUrlOf(settings), 'orderonce-dead-letters');
  try {
    if (action === 'list') await list(pool, call);
    else if (action === 'groups') await groups(pool, call);
    else if (action === 'show') await show(pool, placeOf(words[0]), call);
    else await audit(pool, placeOf(words[0]), call);
    return EXIT.ok;
  } finally {
    await pool.end();
  }
}

async function list(pool: Pool, { flags, out }: Call): Promise<void> {
  const letters = await listDeadLetters(pool, filterOf(flags));
  for (const letter of letters) out.data(lineOf(letter), deadLetterLine(letter));
  if (letters.length > 0) return;
  const { state, reason, event, order, after } = flags;
  const isFiltered = [state, reason, event, order, after].some((flag) => flag !== undefined);
  if (!isFiltered) return out.say('There are no dead letters');
  const known = (await groupDeadLetters(pool)).items.map((group) => group.reason);
  const meant = reason === undefined || known.includes(reason) ? '' : didYouMean(reason, known);
  throw new OrderonceError('NOTHING_MATCHES', `No dead letter matches${meant}`);
}

async function groups(pool: Pool, { out }: Call): Promise<void> {
  const { items } = await groupDeadLetters(pool);
  for (const group of items) {
    const { count, state, reason, sqlstate, shape, example } = group;
    const text = `${count}  ${state}  ${reason}  ${sqlstate ?? ''}  ${plain(shape)}`;
    out.data(text.trimEnd(), { ...group, example: placeText(example) });
  }
  if (items.length === 0) out.say('There are no dead letters');
}

/** @throws DEAD_LETTER_UNKNOWN */
async function show(pool: Pool, place: LogPlace, { out }: Call): Promise<void> {
  const letter = await findDeadLetter(pool, place);
  if (letter === null) throw unknown(place);
  out.data(deadLetterText(letter), deadLetterPage(letter));
}

/** @throws NOTHING_MATCHES */
async function audit(pool: Pool, place: LogPlace, { out }: Call): Promise<void> {
  const entries = await readAudit(pool, place);
  for (const entry of entries) out.data(JSON.stringify(entry), entry);
  if (entries.length > 0) return;
  const message = `Nothing was done to a dead letter at ${placeText(place)}`;
  throw new OrderonceError('NOTHING_MATCHES', message);
}

function filterOf({ state, reason, event, order, limit = '50', after }: Flags): DeadLetterFilter {
  if (state !== undefined && !['parked', 'waiting', 'discarded'].includes(state)) {
    throw usageError(`--state must be parked, waiting or discarded, not "${state}"`);
  }
  if (!/^\d{1,5}$/.test(limit))
    throw usageError(`--limit must be a number up to 99999, not "${limit}"`);
  return {
    limit: Number(limit),
    state: state as DeadLetterState | undefined,
    reason,
    eventId: event,
    orderId: order,
    after: after === undefined ? undefined : placeOf(after),
  };
}

function lineOf(letter: ListedDeadLetter): string {
  const { state, reason, sqlState, eventId, orderId, attempts } = letter;
  const ids = `event ${plain(eventId ?? '?')}  order ${plain(orderId ?? '?')}`;
  const what = `${placeText(letter)}  ${state}  ${reason} ${sqlState ?? ''}  ${ids}  attempts ${attempts}`;
  return `${what}  ${whyOf(letter)}`.trimEnd();
}

/** Why it became a dead letter: the message, or what was wrong with each field. */
function whyOf({ detail }: ListedDeadLetter): string {
  if (detail === null || detail === undefined) return '';
  const { message } = detail as { message?: unknown };
  return plain(typeof message === 'string' ? message : JSON.stringify(detail), WHY_CHARS);
}

/** The bytes decoded as UTF-8, for reading only: bytes that are not UTF-8 are replaced. */
function readable({ key, value }: StoredDeadLetter) {
  return { key: key?.toString('utf8') ?? null, value: value?.toString('utf8') ?? null };
}

function deadLetterText(letter: StoredDeadLetter): string {
  const { key, value } = readable(letter);
  return [
    lineOf(letter),
    `parked at   ${letter.parkedAt}, last change ${letter.updatedAt}`,
    `appended at ${letter.appendedAt ?? 'unknown'}`,
    `detail      ${JSON.stringify(letter.detail)}`,
    `headers     ${JSON.stringify(letter.headers)} (base64)`,
    `key         ${JSON.stringify(key)}`,
    `value       ${JSON.stringify(value)}`,
    `value hex   ${letter.value?.toString('hex') ?? 'NULL'}`,
  ].join('\n');
}

function unknown(place: LogPlace): OrderonceError {
  return new OrderonceError(
    'DEAD_LETTER_UNKNOWN',
    `There is no dead letter at ${placeText(place)}. See "orderonce dead-letters list"`,
  );
}
