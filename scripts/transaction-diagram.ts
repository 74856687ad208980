/** The one transaction of a batch, as a drawing. */
import type { Arrow, Box, Drawing, Text } from './svg.ts';

export type Step = {
  readonly name: string;
  readonly does: string;
  /** A file below src/, and a name that it exports. */
  readonly code: readonly [file: string, name: string];
  /** What ends the transaction here: in capitals, a code of src/errors.ts. */
  readonly endedBy?: string;
};

/** In order. `staleParts` compares what they say with the code. */
export const STEPS: readonly Step[] = [
  {
    name: 'BEGIN',
    does: 'READ COMMITTED, with time limits and the shared parking lock',
    code: ['store/transaction.ts', 'inStoringTransaction'],
  },
  {
    name: 'Fence',
    does: 'moves each position, but only from where its slice begins',
    code: ['inbox/fence.ts', 'fence'],
    endedBy: 'POSITION_MOVED',
  },
  {
    name: 'Insert',
    does: 'stores the events whose id is free, and adds them to orders',
    code: ['store/processed-events.ts', 'insertEvents'],
    endedBy: 'a row is refused',
  },
  {
    name: 'Classify',
    does: 'reads who has the other ids: replay, duplicate or conflict',
    code: ['inbox/settle.ts', 'settle'],
    endedBy: 'OUTCOMES_DO_NOT_ADD_UP',
  },
  {
    name: 'Handlers',
    does: 'run over the stored events; their messages go into the outbox',
    code: ['handlers/run-handlers.ts', 'runHandlers'],
    endedBy: 'a handler fails',
  },
  {
    name: 'Account',
    does: 'writes all other outcomes; each record must have exactly one',
    code: ['inbox/settle-records.ts', 'settleRecords'],
    endedBy: 'OUTCOMES_DO_NOT_ADD_UP',
  },
  {
    name: 'COMMIT',
    does: 'counts only if PostgreSQL answers COMMIT, not ROLLBACK',
    code: ['store/transaction.ts', 'inStoringTransaction'],
    endedBy: 'COMMIT_ROLLED_BACK',
  },
];

const LEFT = 8;
const TOP = 14;
const STEP = { width: 474, height: 50 };
const GAP = 18;
const ENDS_AT = LEFT + STEP.width + 30;

const topOf = (index: number) => TOP + index * (STEP.height + GAP);

export function transactionDrawing(): Drawing {
  const middle = LEFT + STEP.width / 2;
  const end = topOf(STEPS.length);
  const note =
    'After a rollback nothing of the batch has taken effect, and the position has not moved.';
  return {
    title: 'The one transaction of a batch',
    height: end + 20,
    boxes: STEPS.map(boxOf),
    texts: [
      ...STEPS.flatMap(textsOf),
      { x: ENDS_AT, y: topOf(0) + 29, text: 'What rolls it back:', look: 'small' },
      { x: LEFT, y: end + 6, text: note, look: 'small' },
    ],
    arrows: STEPS.flatMap(({ endedBy }, index): Arrow[] => {
      const bottom = topOf(index) + STEP.height;
      const y = topOf(index) + STEP.height / 2;
      const next: Arrow = { from: [middle, bottom], to: [middle, bottom + GAP], runs: 'down' };
      const out: Arrow = { from: [LEFT + STEP.width, y], to: [ENDS_AT - 6, y], runs: 'across' };
      return [...(index < STEPS.length - 1 ? [next] : []), ...(endedBy === undefined ? [] : [out])];
    }),
  };
}

function boxOf({ name }: Step, index: number): Box {
  const look = name === 'BEGIN' || name === 'COMMIT' ? 'strong' : 'plain';
  return { x: LEFT, y: topOf(index), ...STEP, look };
}

function textsOf({ name, does, code, endedBy }: Step, index: number): Text[] {
  const y = topOf(index);
  const texts: Text[] = [
    { x: LEFT + 12, y: y + 20, text: name, look: 'title' },
    { x: LEFT + 100, y: y + 20, text: `${code[1]}()`, look: 'code' },
    { x: LEFT + 12, y: y + 39, text: does },
  ];
  if (endedBy === undefined) return texts;
  const look = /^[A-Z_]+$/.test(endedBy) ? 'code' : 'small';
  return [...texts, { x: ENDS_AT, y: y + 29, text: endedBy, look }];
}
