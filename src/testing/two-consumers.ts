/**
 * Two consumers with a partition each, whose transactions overlap as far as PostgreSQL lets them:
 *
 *   the first    runs its handlers, and stops before COMMIT
 *   the second   runs until it is about to commit too, or waits for a lock of the first
 *   the first    commits
 *   the second   continues
 *
 * Handlers that lock what they read and change leave the same as one after the other.
 */
import { pause } from '../runtime/backoff.ts';
import type { FaultRule, StatementSeen } from '../store/test-faults.ts';
import type { TestEvent } from './events.ts';
import { SINGLE_QUERY } from './scenarios.ts';

/** Processes the events of one consumer. The rule sees its statements. */
export type Consume = (rule?: FaultRule) => Promise<void>;

const LOOK_AGAIN_MS = 5;

/** Every other order for the second consumer: the events of an order stay together. */
export function shareOut(events: readonly TestEvent[]): [TestEvent[], TestEvent[]] {
  const orders = [...new Set(events.map(({ order_id: id }) => id.toLowerCase()))];
  const of = (parity: number) =>
    events.filter(({ order_id: id }) => orders.indexOf(id.toLowerCase()) % 2 === parity);
  return [of(0), of(1)];
}

/** @param isAnyBlocked whether the second waits for a lock. */
export async function overlap(
  first: Consume,
  second: Consume,
  isAnyBlocked: () => Promise<boolean>,
): Promise<void> {
  let letSecondCommit = () => {};
  const firstHasCommitted = new Promise<void>((done) => {
    letSecondCommit = done;
  });
  let isSecondHeld = false;
  const holdSecond: FaultRule = async (statement) => {
    if (!isCommitOfBatch(statement)) return null;
    isSecondHeld = true;
    await firstHasCommitted;
    return null;
  };
  let ofSecond: Promise<void> | undefined;
  const startSecond: FaultRule = async (statement) => {
    // The statement behind its COMMIT: whatever came of that, the second must not wait for more.
    if (ofSecond !== undefined) letSecondCommit();
    if (ofSecond !== undefined || !isCommitOfBatch(statement)) return null;
    let hasEnded = false;
    ofSecond = second(holdSecond).finally(() => {
      hasEnded = true;
    });
    ofSecond.catch(() => {});
    while (!isSecondHeld && !hasEnded && !(await isAnyBlocked())) await pause(LOOK_AGAIN_MS);
    return null;
  };
  try {
    await first(startSecond);
  } finally {
    letSecondCommit();
    // Its failure is reported below, unless the first has failed.
    await ofSecond?.catch(() => {});
  }
  await (ofSecond ?? second());
}

function isCommitOfBatch({ number, isCommit }: StatementSeen): boolean {
  return isCommit && number > SINGLE_QUERY;
}
