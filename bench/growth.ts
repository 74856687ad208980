/**
 * Measures whether the cost of an event grows: drains by mix, by number of partitions, with two
 * consumers, and into tables that already hold ten million events. Also measures settings.
 */
import { migrate } from '../src/store/migrate.ts';
import { freshDatabase, openPool } from './databases.ts';
import { type DrainOptions, type DrainResult, drain } from './drain.ts';
import { MIXES } from './mixes.ts';
import type { Servers } from './servers.ts';
import { fillTables } from './stored-events.ts';

const PARTITIONS = [1, 4, 12];
const STORED = 10_000_000;
const CONNECTIONS = [1, 2, 4];
const BATCHES = [500, 1000, 2500, 5000, 10_000];

/** Drains each mix. */
export async function mixes(servers: Servers, events: number) {
  const result: Record<string, number> = {};
  for (const mix of MIXES) note(result, mix, await drain(servers, { events, mix }));
  return result;
}

/** Drains mix M by number of partitions and consumers, and into large tables. */
export async function growth(servers: Servers, events: number) {
  const result: Record<string, number> = {};
  const run = async (name: string, options: Omit<DrainOptions, 'events'>) =>
    note(result, name, await drain(servers, { events, mix: 'm', ...options }));
  for (const partitions of PARTITIONS) {
    const settings = { KAFKA_PARTITIONS: String(partitions) };
    await run(`partitions_${partitions}`, { settings });
  }
  await run('one_consumer', {});
  await run('two_consumers', { consumers: 2 });
  const template = await tenMillion(servers);
  await run('into_ten_million', { template });
  await run('into_ten_million_v7', { template, mix: 'v7' });
  return result;
}

/** Drains mix M with different numbers of connections and records per batch. */
export async function tuning(servers: Servers, events: number) {
  const result: Record<string, number> = {};
  const run = async (name: string, settings: Record<string, string>) =>
    note(result, name, await drain(servers, { events, mix: 'm', settings }));
  for (const connections of CONNECTIONS) {
    await run(`connections_${connections}`, { CONSUMER_CONNECTIONS: String(connections) });
  }
  for (const batch of BATCHES) await run(`batch_${batch}`, { CONSUMER_BATCH_MAX: String(batch) });
  return result;
}

function note(result: Record<string, number>, name: string, drained: DrainResult): void {
  result[name] = drained.events_per_second;
  result[`${name}_consumer_cpu_us`] = drained.consumer_cpu_us_per_event;
  result[`${name}_postgres_cpu_us`] = drained.postgres_cpu_us_per_event;
  result[`${name}_wal_bytes`] = drained.wal_bytes_per_event;
  if (!Number.isNaN(drained.hot_share)) result[`${name}_hot_share`] = drained.hot_share;
}

let made: Promise<string> | undefined;

/** Fills a database once for all rounds. @returns its name, to be copied for each drain. */
function tenMillion(servers: Servers): Promise<string> {
  made ??= (async () => {
    const name = `stored_${process.pid}`;
    console.error(
      `Filling tables with ${STORED.toLocaleString('en')} events. This takes some minutes`,
    );
    const pool = openPool(await freshDatabase(servers, name));
    await migrate(pool);
    // Another topic name than that of the drain, whose positions must start at zero.
    await fillTables(pool, `another_${name}`, STORED);
    await pool.end();
    return name;
  })();
  return made;
}
