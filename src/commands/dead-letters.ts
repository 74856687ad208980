/** `orderonce dead-letters`: lists, shows, redrives, edits and discards dead letters. */
import { OrderonceError } from '../errors.ts';
import { storedIdOf } from '../event/text-ids.ts';
import { eventModelOf } from '../services/event-model.ts';
import type { DeadLetterFilter, DeadLetterState } from '../store/dead-letter-queue.ts';
import { type LogPlace, placeText } from '../store/log-place.ts';
import { type Call, EXIT } from './command.ts';
import { ConsumerApi } from './consumer-api.ts';
import { databaseUrlOf, openPool } from './database.ts';
import { didYouMean } from './did-you-mean.ts';
import type { Flags } from './flags.ts';
import {
  type LetterLine,
  type LetterPage,
  type LetterSource,
  lettersOfConsumer,
  lettersOfDatabase,
} from './letter-source.ts';
import { plain } from './output.ts';
import { REDRIVE_ACTIONS, runRedrive } from './redrive.ts';
import { placeOf, usageError } from './values.ts';

const WHY_CHARS = 120;

/**
 * @returns the exit code: 1 if an event could not be redriven.
 * @throws DEAD_LETTER_UNKNOWN, NOTHING_MATCHES (exit code 4)
 */
export async function runDeadLetters(call: Call): Promise<number> {
  const { settings, action, flags } = call;
  if (REDRIVE_ACTIONS.includes(action ?? '')) return await runRedrive(call);
  if (flags.url !== undefined) {
    // The consumer knows the ids of its deployment.
    return await look(call, lettersOfConsumer(new ConsumerApi(settings, flags.url)));
  }
  const pool = openPool(await databaseUrlOf(settings), 'orderonce-dead-letters');
  try {
    return await look({ ...call, flags: await withStoredIds(call) }, lettersOfDatabase(pool));
  } finally {
    await pool.end();
  }
}

/** The flags with the stored ids in place of the given ones, which may be those of another system. */
async function withStoredIds({ settings, flags }: Call): Promise<Flags> {
  const { event, order } = flags;
  if (event === undefined && order === undefined) return flags;
  const { declared } = (await eventModelOf(settings)).rules;
  const storedOf = (flag: string, given: string | undefined, property: 'eventId' | 'orderId') => {
    if (given === undefined) return {};
    const stored = storedIdOf(given, property, declared);
    if (stored === null) throw usageError(`--${flag} is no id of this deployment: "${given}"`);
    return { [flag]: stored };
  };
  return {
    ...flags,
    ...storedOf('event', event, 'eventId'),
    ...storedOf('order', order, 'orderId'),
  };
}

async function look(call: Call, letters: LetterSource): Promise<number> {
  const { action, words } = call;
  if (action === 'list') await list(letters, call);
  else if (action === 'groups') await groups(letters, call);
  else if (action === 'show') await show(letters, placeOf(words[0]), call);
  else await audit(letters, placeOf(words[0]), call);
  return EXIT.ok;
}

async function list(letters: LetterSource, { flags, out }: Call): Promise<void> {
  const lines = await letters.list(filterOf(flags));
  for (const line of lines) out.data(lineOf(line), line);
  if (lines.length > 0) return;
  const { state, reason, event, order, after } = flags;
  const isFiltered = [state, reason, event, order, after].some((flag) => flag !== undefined);
  if (!isFiltered) return out.say('There are no dead letters');
  const known = (await letters.groups()).map((group) => group.reason);
  const meant = reason === undefined || known.includes(reason) ? '' : didYouMean(reason, known);
  throw new OrderonceError('NOTHING_MATCHES', `No dead letter matches${meant}`);
}

async function groups(letters: LetterSource, { out }: Call): Promise<void> {
  const items = await letters.groups();
  for (const group of items) {
    const { count, state, reason, sqlstate, shape } = group;
    const text = `${count}  ${state}  ${reason}  ${sqlstate ?? ''}  ${plain(shape ?? '')}`;
    out.data(text.trimEnd(), group);
  }
  if (items.length === 0) out.say('There are no dead letters');
}

/** @throws DEAD_LETTER_UNKNOWN, NOTHING_MATCHES */
async function show(letters: LetterSource, place: LogPlace, { out }: Call): Promise<void> {
  const letter = await letters.show(place);
  if (letter === null) throw unknown(place);
  out.data(letterText(letter), letter);
}

/** @throws NOTHING_MATCHES */
async function audit(letters: LetterSource, place: LogPlace, { out }: Call): Promise<void> {
  const entries = await letters.audit(place);
  for (const entry of entries) out.data(JSON.stringify(entry), entry);
  if (entries.length > 0) return;
  const message = `Nothing was done to a dead letter at ${placeText(place)}`;
  throw new OrderonceError('NOTHING_MATCHES', message);
}

function filterOf({ state, reason, event, order, limit = '50', after }: Flags): DeadLetterFilter {
  if (state !== undefined && !['parked', 'waiting', 'discarded'].includes(state)) {
    throw usageError(`--state must be parked, waiting or discarded, not "${state}"`);
  }
  if (!/^[1-9]\d{0,4}$/.test(limit))
    throw usageError(`--limit must be a number from 1 to 99999, not "${limit}"`);
  return {
    limit: Number(limit),
    state: state as DeadLetterState | undefined,
    reason,
    eventId: event,
    orderId: order,
    after: after === undefined ? undefined : placeOf(after),
  };
}

function lineOf(letter: LetterLine): string {
  const { place, state, reason, sqlstate, event_id: event, order_id: order, attempts } = letter;
  const ids = `event ${plain(event ?? '?')}  order ${plain(order ?? '?')}`;
  const what = `${place}  ${state}  ${reason} ${sqlstate ?? ''}  ${ids}  attempts ${attempts}`;
  return `${what}  ${whyOf(letter)}`.trimEnd();
}

/** Why it became a dead letter: the message, or what was wrong with each field. */
function whyOf({ detail }: LetterLine): string {
  if (detail === null || detail === undefined) return '';
  const { message } = detail as { message?: unknown };
  return plain(typeof message === 'string' ? message : JSON.stringify(detail), WHY_CHARS);
}

function letterText(letter: LetterPage): string {
  const { key_base64: key, value_base64: value, headers_base64: headers } = letter;
  const bytes = value === null ? null : Buffer.from(value, 'base64');
  // For reading only: bytes that are not UTF-8 are replaced.
  const keyText = key === null ? null : Buffer.from(key, 'base64').toString('utf8');
  return [
    lineOf(letter),
    `parked at   ${letter.parked_at}, last change ${letter.updated_at}`,
    `appended at ${letter.appended_at ?? 'unknown'}`,
    `detail      ${JSON.stringify(letter.detail)}`,
    `headers     ${JSON.stringify(headers)} (base64)`,
    `key         ${JSON.stringify(keyText)}`,
    `value       ${JSON.stringify(letter.value_text)}`,
    `value hex   ${bytes?.toString('hex') ?? 'NULL'}`,
  ].join('\n');
}

function unknown(place: LogPlace): OrderonceError {
  return new OrderonceError(
    'DEAD_LETTER_UNKNOWN',
    `There is no dead letter at ${placeText(place)}. See "orderonce dead-letters list"`,
  );
}
