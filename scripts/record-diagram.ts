/** What can become of a record, as a drawing. */
import type { Acceptance } from '../src/ingest/accept-event.ts';
import type { Outcome } from '../src/store/outcomes.ts';
import type { Arrow, Box, Drawing, Text } from './svg.ts';

export type State = {
  readonly name: string;
  readonly means: string;
  /** The table that holds it. */
  readonly table?: string;
};

const ACCEPTED = {
  name: 'accepted' satisfies Acceptance['status'],
  means: 'durable in the log',
};
/** The outcomes of a transaction besides dead letters, by the names that `verify` has for them. */
export const OUTCOMES: readonly (State & { readonly name: Outcome['kind'] })[] = [
  { name: 'stored', means: 'new: takes effect, once', table: 'processed_events' },
  { name: 'duplicate', means: 'same id, same payload', table: 'duplicates' },
  { name: 'conflict', means: 'same id, other payload', table: 'conflicts' },
];
/** States of a row of `dead_letters`, in which a record can still take effect. */
export const DEAD_LETTERS: readonly State[] = [
  { name: 'parked', means: 'refused, or not a valid event' },
  { name: 'waiting', means: 'behind a parked event' },
];
export const DEAD_LETTER_TABLE = 'dead_letters';
export const DISCARDED = { name: 'discarded', means: 'kept, but never takes effect' };
const REDRIVEN = { name: 'redriven', means: 'stored, duplicate or conflict' };

const COLUMNS = [
  { x: 8, width: 144 },
  { x: 200, width: 228 },
  { x: 470, width: 222 },
] as const;
const HEIGHT = 50;
const ROW = 62;
const FRAME_TOP = 12 + 3 * ROW + 4;
const NOTES = [
  'A redrive that fails leaves the record parked. A waiting record follows as soon as those before it',
  'are redriven or discarded. A record that is read again after a rewind changes nothing.',
];

export function recordDrawing(): Drawing {
  const accepted = boxAt(0, 12 + 2 * ROW);
  const settled = OUTCOMES.map((_, index) => boxAt(1, 12 + index * ROW));
  const letters = DEAD_LETTERS.map((_, index) => boxAt(1, FRAME_TOP + 28 + index * ROW));
  const ends = DEAD_LETTERS.map((_, index) => boxAt(2, FRAME_TOP + 28 + index * ROW));
  const { x, width } = COLUMNS[1];
  const frame: Box = {
    x: x - 12,
    y: FRAME_TOP,
    width: width + 24,
    height: 28 + 2 * ROW,
    look: 'frame',
  };
  const bottom = FRAME_TOP + frame.height;
  return {
    title: 'What can become of a record',
    height: bottom + 48,
    boxes: [frame, { ...accepted, look: 'strong' }, ...settled, ...letters, ...ends],
    texts: [
      ...textsOf(ACCEPTED, accepted),
      ...OUTCOMES.flatMap((state, index) => textsOf(state, settled[index] as Box)),
      { x, y: FRAME_TOP + 19, text: DEAD_LETTER_TABLE, look: 'code' },
      ...DEAD_LETTERS.flatMap((state, index) => textsOf(state, letters[index] as Box)),
      ...[REDRIVEN, DISCARDED].flatMap((state, index) => textsOf(state, ends[index] as Box)),
      ...NOTES.map(
        (text, index): Text => ({ x: 8, y: bottom + 22 + 17 * index, text, look: 'small' }),
      ),
    ],
    arrows: [
      ...[...settled, ...letters].map((box) => across(accepted, box)),
      ...letters.flatMap((letter) => ends.map((end) => across(letter, end))),
    ],
  };
}

function boxAt(column: 0 | 1 | 2, y: number): Box {
  return { ...COLUMNS[column], y, height: HEIGHT, look: 'plain' };
}

function textsOf({ name, means, table }: State, { x, y }: Box): Text[] {
  const texts: Text[] = [
    { x: x + 12, y: y + 20, text: name, look: 'title' },
    { x: x + 12, y: y + 39, text: means, look: 'small' },
  ];
  return table === undefined
    ? texts
    : [...texts, { x: x + 104, y: y + 20, text: table, look: 'code' }];
}

function across(from: Box, to: Box): Arrow {
  return {
    from: [from.x + from.width, from.y + from.height / 2],
    to: [to.x, to.y + to.height / 2],
    runs: 'across',
  };
}
