/**
 * Finds partitions that have records to process, but whose position in this database does not move.
 * A process only notices failures of its own partitions, so this watch looks at those of the
 * others. If two deployments use the same KAFKA_GROUP_ID, a consumer of the other one gets some of
 * the partitions and writes their events to the other database. Nothing else would report that.
 */
import type { LogBounds, LogReader } from '../log/event-log.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Pool } from '../store/pool.ts';
import { type Position, readPositions } from '../store/positions.ts';

const CHECK_MS = 30_000;

/** The position of each partition that has records to process. */
export type NextOffsets = ReadonlyMap<number, number>;

/** The partitions of other processes that have records to process. Pure. */
export function behindOf(
  positions: readonly Position[],
  bounds: ReadonlyMap<number, LogBounds>,
  ours: ReadonlySet<number>,
): NextOffsets {
  return new Map(
    positions
      .filter(({ partition }) => !ours.has(partition))
      .filter(({ partition, nextOffset }) => (bounds.get(partition)?.end ?? 0) > nextOffset)
      .map(({ partition, nextOffset }) => [partition, nextOffset]),
  );
}

/** The partitions that had records to process at both checks, and did not move in between. Pure. */
export function unmovedSince(before: NextOffsets, now: NextOffsets): number[] {
  return [...now].flatMap(([partition, next]) => (before.get(partition) === next ? partition : []));
}

/** Checks every CHECK_MS, from start() to stop(), and warns once for each such partition. */
export class UnattendedWatch {
  readonly #reader: LogReader;
  readonly #pool: Pool;
  readonly #logger: Logger;
  readonly #ours: () => readonly number[];
  #timer: NodeJS.Timeout | undefined;
  #before: NextOffsets = new Map();
  #unmoved: readonly number[] = [];

  constructor(reader: LogReader, pool: Pool, logger: Logger, ours: () => readonly number[]) {
    this.#reader = reader;
    this.#pool = pool;
    this.#logger = logger;
    this.#ours = ours;
  }

  start(): void {
    // Health and the logs of the partitions tell of an outage; this watch has no more to say of it.
    this.#timer = setInterval(() => void this.look().catch(() => {}), CHECK_MS).unref();
  }

  /** Makes one check; public for tests. @throws if the log or the database does not answer. */
  async look(): Promise<void> {
    const positions = await readPositions(this.#pool, this.#reader.topic);
    const bounds = await this.#reader.bounds(positions.map(({ partition }) => partition));
    const now = behindOf(positions, bounds, new Set(this.#ours()));
    const unmoved = unmovedSince(this.#before, now);
    this.#before = now;
    const fresh = unmoved.filter((partition) => !this.#unmoved.includes(partition));
    this.#unmoved = unmoved;
    for (const warning of fresh.map(warningOf)) this.#logger.warn(warning);
  }

  /** How many partitions did not move between the last two checks although they have records. */
  get count(): number {
    return this.#unmoved.length;
  }

  /** For health. They are only warnings, because this process cannot be the cause. */
  get warnings(): string[] {
    return this.#unmoved.map(warningOf);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

function warningOf(partition: number): string {
  return (
    `Partition ${partition} has records to process and does not move in this database: its consumer ` +
    'is stuck (see its health), or belongs to another deployment with the same KAFKA_GROUP_ID. ' +
    'See "orderonce positions"'
  );
}
