/**
 * Measures `orderonce verify`: fills tables by SQL with events, four per order, and 1 % duplicates,
 * then verifies them. A run counts only if they are proven.
 */
import { USUAL_MODEL } from '../src/store/event-model.ts';
import { migrate } from '../src/store/migrate.ts';
import { verify as prove } from '../src/verify/verify.ts';
import { freshDatabase, openPool } from './databases.ts';
import type { Servers } from './servers.ts';
import { fillTables } from './stored-events.ts';

/** `seconds` is the duration of the proof alone. */
export type VerifyResult = {
  readonly events: number;
  readonly seconds: number;
  /** How much the resident set of this process grew during the proof, in MiB. */
  readonly grown_mb: number;
};

/** @throws if the account is not proven, since then the figure would mean nothing. */
export async function verify(
  servers: Servers,
  events: number,
  round: number,
): Promise<VerifyResult> {
  const topic = `verify_${process.pid}_${round}`;
  const pool = openPool(await freshDatabase(servers, topic));
  try {
    await migrate(pool);
    await fillTables(pool, topic, events);
    const before = process.memoryUsage.rss();
    const started = performance.now();
    const verdict = await prove(pool, {
      topic,
      receipts: null,
      handlers: [],
      reader: null,
      onStep: () => {},
      ...USUAL_MODEL,
    });
    const seconds = (performance.now() - started) / 1000;
    if (!verdict.isProven) {
      const why = JSON.stringify([...verdict.offsets, ...verdict.rows].slice(0, 3));
      throw new Error(`The run does not count, because it is not proven: ${why}`);
    }
    const grown_mb = (process.memoryUsage.rss() - before) / 2 ** 20;
    return { events, seconds, grown_mb };
  } finally {
    await pool.end();
  }
}
