/**
 * Partitions that nobody moves in this database though there are records in them. Each process sees
 * only its own partitions fail; this sees the others': a member of the group that writes to another
 * database (one KAFKA_GROUP_ID for two deployments) takes partitions away without anybody noticing.
 */
import type { LogBounds, LogReader } from '../log/event-log.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Pool } from '../store/pool.ts';
import { type Position, readPositions } from '../store/positions.ts';

const CHECK_MS = 30_000;

/** By partition, where one with records to process stood. */
export type NextOffsets = ReadonlyMap<number, number>;

/** Of the partitions that are not ours: those with records to process. Pure. */
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

/** Behind at both looks, and not moved between them. Pure. */
export function unmovedSince(before: NextOffsets, now: NextOffsets): number[] {
  return [...now].flatMap(([partition, next]) => (before.get(partition) === next ? partition : []));
}

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
    this.#timer = setInterval(() => void this.look().catch(() => {}), CHECK_MS).unref();
  }

  /** One look; public for tests. @throws while log or database do not answer. */
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

  /** For health: not this process's fault, so no reason to be red. */
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
    'is stuck (see its health), or is one of another deployment with the same KAFKA_GROUP_ID. ' +
    'See "orderonce positions"'
  );
}
