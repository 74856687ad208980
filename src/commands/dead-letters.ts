/** `orderonce dead-letters`: lists, shows, redrives, edits and discards dead letters. */
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
import { placeText } from '../store/log-place.ts';
import type { Call, Flags } from './command.ts';
import { databaseUrlOf, openPool } from './database.ts';
import { placeArgument, REDRIVE_ACTIONS, runRedrive, type Say, usage } from './redrive.ts';

/** The forms of the command, for its help. */
export const DEAD_LETTERS_USAGE = [
  '[list] [--state STATE] [--reason REASON] [--event ID] [--order ID] [--limit N] [--after PLACE]',
  'groups',
  'show PLACE',
  'audit PLACE',
  'redrive PLACE|--all|--reason REASON|--order ID',
  'edit PLACE --payload FILE',
  'discard PLACE --reason WHY',
];

/** @returns the exit code: 1 if an event could not be redriven. @throws DEAD_LETTER_UNKNOWN */
export async function runDeadLetters(call: Call): Promise<number> {
  const { settings, flags, words } = call;
  const [action = 'list', place] = words;
  const say: Say = (line, value) => console.log(flags.json === true ? JSON.stringify(value) : line);
  if (REDRIVE_ACTIONS.includes(action)) return await runRedrive(call, say);
  const pool = openPool(await databaseUrlOf(settings), 'orderonce-dead-letters');
  try {
    switch (action) {
      case 'list':
        for (const letter of await listDeadLetters(pool, filterOf(flags)))
          say(lineOf(letter), letter);
        return 0;
      case 'groups':
        for (const group of (await groupDeadLetters(pool)).items) {
          const { count, state, reason, sqlstate, shape } = group;
          say(`${count}  ${state}  ${reason}  ${sqlstate ?? ''}  ${shape}`.trimEnd(), group);
        }
        return 0;
      case 'show': {
        const letter = await findDeadLetter(pool, placeArgument(place));
        if (letter === null) throw unknown();
        say(deadLetterText(letter), { ...letter, ...readable(letter) });
        return 0;
      }
      case 'audit':
        for (const entry of await readAudit(pool, placeArgument(place)))
          say(JSON.stringify(entry), entry);
        return 0;
      default:
        throw usage(`Unknown action "${action}". See "orderonce --help"`);
    }
  } finally {
    await pool.end();
  }
}

function filterOf({ state, reason, event, order, limit = '50', after }: Flags): DeadLetterFilter {
  if (state !== undefined && !['parked', 'waiting', 'discarded'].includes(state)) {
    throw usage(`--state must be parked, waiting or discarded, not "${state}"`);
  }
  if (!/^\d{1,5}$/.test(limit)) throw usage(`--limit must be a number up to 99999, not "${limit}"`);
  return {
    limit: Number(limit),
    state: state as DeadLetterState | undefined,
    reason,
    eventId: event,
    orderId: order,
    after: after === undefined ? undefined : placeArgument(after),
  };
}

function lineOf(letter: ListedDeadLetter): string {
  const { state, reason, sqlState, eventId, orderId, attempts } = letter;
  const ids = `event ${eventId ?? '?'}  order ${orderId ?? '?'}`;
  return `${placeText(letter)}  ${state}  ${reason} ${sqlState ?? ''}  ${ids}  attempts ${attempts}`;
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

function unknown(): OrderonceError {
  return new OrderonceError(
    'DEAD_LETTER_UNKNOWN',
    'There is no dead letter at this place. See "orderonce dead-letters list"',
  );
}
