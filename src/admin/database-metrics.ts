/**
 * Gauges of the whole database. Every consumer shows the same, so queries take the maximum over
 * them and not the sum.
 */
import { Gauge, type Registry } from 'prom-client';
import type { ErrorCode } from '../errors.ts';
import { within } from '../runtime/deadline.ts';
import { SCRAPE_MS } from '../runtime/metrics.ts';
import { COUNTED_MAX, type LetterCount, type OperatorFigures } from '../store/operator-figures.ts';

/** The figures are read at a scrape, and not again for this long, however many ask. */
const FRESH_MS = 15_000;
const WHOLE = 'Of the whole database: take the maximum over all consumers.';
/** All of docs/dead-letters.md, so that each series is there before its first dead letter. */
export const PARKED_REASONS = [
  'invalid_event',
  'decode_failed',
  'unknown_type',
  'unknown_version',
  'invalid_data',
  'refused_by_handler',
  'refused_by_database',
  'keeps_failing',
  'ends_the_process',
];
/** What stops a partition until an operator decides. */
const STOP_CODES: readonly ErrorCode[] = [
  'LOG_RECREATED',
  'LOG_REWRITTEN',
  'POSITION_BEFORE_LOG_START',
  'POSITION_PAST_LOG_END',
];

/** Reads the figures at most every FRESH_MS. Resolves to null while they cannot be read. */
export type FiguresReader<T = OperatorFigures> = () => Promise<T | null>;

/** @param now a monotonic clock in milliseconds. */
export function figuresReader<T>(
  read: () => Promise<T>,
  now: () => number = () => performance.now(),
): FiguresReader<T> {
  let reading: Promise<T | null> | null = null;
  let readAt = 0;
  return () => {
    if (reading !== null && now() - readAt < FRESH_MS) return reading;
    readAt = now();
    const started = within(SCRAPE_MS, read(), () => new Error('late')).catch(() => {
      // The next scrape asks again. A figure from before the outage would look current.
      if (reading === started) reading = null;
      return null;
    });
    reading = started;
    return started;
  };
}

/** @returns a function that registers a gauge of the figures. */
export function gaugesOf<T>(registry: Registry, read: FiguresReader<T>) {
  return (
    name: string,
    help: string,
    labelNames: string[],
    set: (gauge: Gauge, figures: T) => void,
  ) =>
    new Gauge({
      name,
      help: `${help} ${WHOLE}`,
      labelNames,
      registers: [registry],
      async collect() {
        const figures = await read();
        // Absent while PostgreSQL does not answer: 0 would say that there are none.
        if (labelNames.length === 0) this.remove();
        else this.reset();
        if (figures !== null) set(this, figures);
      },
    });
}

/**
 * Registers the gauges.
 * @param unattended how many partitions of other processes do not move although they have records.
 */
export function addDatabaseMetrics(
  registry: Registry,
  read: FiguresReader,
  unattended: () => number,
): void {
  const add = gaugesOf(registry, read);
  const limit = `Counting stops at ${COUNTED_MAX} of each state.`;
  add(
    'orderonce_dead_letters',
    `Dead letters by state and reason. ${limit}`,
    ['state', 'reason'],
    (gauge, { letters }) => {
      for (const reason of PARKED_REASONS) {
        gauge.set({ state: 'parked', reason }, 0);
        gauge.set({ state: 'discarded', reason }, 0);
      }
      gauge.set({ state: 'waiting', reason: 'order_held' }, 0);
      for (const { state, reason, count } of letters) gauge.set({ state, reason }, count);
    },
  );
  add(
    'orderonce_dead_letter_oldest_seconds',
    'Seconds since the oldest dead letter of each state became one; 0 if there is none.',
    ['state'],
    (gauge, { letters }) => {
      for (const state of ['parked', 'waiting'] as const) {
        gauge.set({ state }, oldestMs(letters, state) / 1000);
      }
    },
  );
  add(
    'orderonce_held_orders',
    `Orders of which later events wait behind a parked one. Counting stops at ${COUNTED_MAX}.`,
    [],
    (gauge, { heldOrders }) => gauge.set(heldOrders),
  );
  add(
    'orderonce_stopped_partitions',
    "Partitions that wait for an operator's decision, by error code.",
    ['code'],
    (gauge, { stopped }) => {
      for (const code of STOP_CODES) gauge.set({ code }, 0);
      for (const { code, count } of stopped) gauge.set({ code }, count);
    },
  );
  new Gauge({
    name: 'orderonce_unattended_partitions',
    help: `Partitions of other processes that have records to process and do not move. ${WHOLE}`,
    registers: [registry],
    collect() {
      this.set(unattended());
    },
  });
}

function oldestMs(letters: readonly LetterCount[], state: LetterCount['state']): number {
  return letters.reduce(
    (most, one) => (one.state === state ? Math.max(most, one.oldestMs) : most),
    0,
  );
}
