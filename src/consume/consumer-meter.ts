import type { ErrorCode } from '../errors.ts';
import type { Phase, Settled } from '../inbox/batch.ts';
import type { Moved } from './turns.ts';

/** What the metrics are told of. None of these methods throws, and none waits. */
export type ConsumerMeter = {
  /** A transaction was committed. It moved these positions. */
  readonly committed: (moved: readonly Moved[], settled: Settled) => void;
  /** How long each phase of a committed transaction took, in ms. */
  readonly timed: (ms: ReadonlyMap<Phase, number>) => void;
  /** How long a batch waited for its transaction to begin, in ms. */
  readonly waited: (ms: number) => void;
  /** A handler ran, and took this many seconds. */
  readonly handled: (handler: string, seconds: number) => void;
  /** An attempt of a partition failed. */
  readonly retried: (code: ErrorCode) => void;
  /** Partitions were assigned anew. */
  readonly rebalanced: () => void;
  /** After a rebalance the first partition is ready, this many seconds after the last one stopped. */
  readonly resumed: (seconds: number) => void;
};
