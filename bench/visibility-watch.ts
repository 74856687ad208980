/**
 * Records when events become visible. A trigger notifies a listener of each move of a position, and
 * PostgreSQL delivers the notification right after the commit. Polling instead would be late by
 * half of its interval on average, and would add load.
 */
import type pg from 'pg';
import type { Pool } from '../src/store/pool.ts';

/** The positions of a partition, and when each was received (ms since 1970). Both lists ascend. */
type Trace = { readonly next: number[]; readonly at: number[] };

/** One listener. Call start() before the load, and visibleAt() after it. */
export class VisibilityWatch {
  readonly #traces = new Map<number, Trace>();
  readonly #client: pg.PoolClient;

  /** Records from now until stop(). */
  static async start(pool: Pool): Promise<VisibilityWatch> {
    const client = await pool.connect();
    await client.query(`
      CREATE OR REPLACE FUNCTION tell_position() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM pg_notify('positions', NEW.log_partition || ' ' || NEW.next_offset);
          RETURN NULL;
        END $$;
      CREATE TRIGGER tell_position AFTER UPDATE ON consumer_positions
        FOR EACH ROW EXECUTE FUNCTION tell_position();
      LISTEN positions`);
    return new VisibilityWatch(client);
  }

  private constructor(client: pg.PoolClient) {
    this.#client = client;
    client.on('notification', ({ payload = '' }) => {
      const at = performance.timeOrigin + performance.now();
      const [partition, next] = payload.split(' ').map(Number) as [number, number];
      this.#note(partition, next, at);
    });
  }

  #note(partition: number, next: number, at: number): void {
    const trace = this.#traces.get(partition) ?? { next: [], at: [] };
    this.#traces.set(partition, trace);
    trace.next.push(next);
    trace.at.push(at);
  }

  /** @returns when this record became visible, in ms since 1970; NaN if it did not. */
  visibleAt(partition: number, offset: number): number {
    const { next, at } = this.#traces.get(partition) ?? { next: [], at: [] };
    let [low, high] = [0, next.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((next[middle] as number) > offset) high = middle;
      else low = middle + 1;
    }
    return at[low] ?? Number.NaN;
  }

  async stop(): Promise<void> {
    await this.#client.query('UNLISTEN *; DROP TRIGGER tell_position ON consumer_positions');
    this.#client.removeAllListeners('notification');
    this.#client.release();
  }
}
