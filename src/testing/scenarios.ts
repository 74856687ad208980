/** What provesExactlyOnce does to the events, one database for each. */
import type { FaultRule } from '../store/test-faults.ts';

export type Scenario = {
  /** How an error says what was done: it follows the difference. */
  readonly circumstance: string;
  /** See DrainOptions. */
  readonly batches?: readonly number[];
  /** Each event arrives again, directly behind itself and behind the next one. */
  readonly hasDuplicates?: boolean;
  /** The process ends before the COMMIT of a batch in the middle, and another one starts. */
  readonly hasRestart?: boolean;
  /** A new rule for each run, because it counts. */
  readonly faults?: () => FaultRule;
  /** The only attempt is rolled back. */
  readonly isUndone?: boolean;
  /** Two consumers share the events, by order (two-consumers.ts). */
  readonly consumers?: 'first before second' | 'second before first' | 'at the same time';
};

/** A transaction of a batch has more statements than BEGIN, one query and COMMIT. */
export const SINGLE_QUERY = 3;

/** All events in one batch, and nothing happens. */
export const UNDISTURBED: Scenario = { circumstance: 'in the undisturbed run' };

/** In this order, so that a difference is reported for the simplest cause that shows it. */
export const SCENARIOS: readonly Scenario[] = [
  { circumstance: 'in a second undisturbed run' },
  { circumstance: 'when each event is a batch of its own', batches: [1] },
  { circumstance: 'with duplicates in between', batches: [2, 3, 1, 500], hasDuplicates: true },
  { circumstance: 'after a restart in the middle', hasRestart: true },
  {
    circumstance: 'after a lost connection at each statement',
    faults: () => onceAtEach('lost connection', 1),
  },
  {
    circumstance: 'after a deadlock at each statement',
    faults: () => onceAtEach('deadlock', 2),
  },
  {
    circumstance: 'after a COMMIT that was rolled back',
    batches: [2, 1],
    faults: () => atEverySecondCommit('rolled back'),
  },
  {
    circumstance: 'after a lost COMMIT reply',
    batches: [2, 1],
    faults:
      () =>
      ({ number, isCommit }) =>
        isCommit && number > SINGLE_QUERY ? 'lost reply' : null,
  },
];

/** Must leave nothing. */
export const UNDONE: Scenario = {
  circumstance: 'after an attempt that was rolled back',
  isUndone: true,
};

/** Must leave what the two consumers leave one after the other, whichever comes first. */
export const TWO_CONSUMERS: Scenario = {
  circumstance: 'when two consumers work at the same time',
  consumers: 'at the same time',
};

/**
 * Fails the first transaction at its first statement, the next one at its second, and so on, until
 * no transaction is that long.
 */
function onceAtEach(fault: 'lost connection' | 'deadlock', first: number): FaultRule {
  let target = first;
  return ({ number }) => {
    if (number !== target) return null;
    target++;
    return fault;
  };
}

/** The batch is processed again, and passes. */
function atEverySecondCommit(fault: 'rolled back'): FaultRule {
  let commits = 0;
  return ({ number, isCommit }) => {
    if (!isCommit || number <= SINGLE_QUERY) return null;
    return commits++ % 2 === 0 ? fault : null;
  };
}

/** The first COMMIT does not happen: the process ends there. */
export function endBeforeCommit(): FaultRule {
  return ({ isCommit }) => (isCommit ? 'rolled back' : null);
}
