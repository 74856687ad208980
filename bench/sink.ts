/**
 * Compares drains from Kafka with filling the same tables without a log, checks or accounting,
 * which shows what PostgreSQL itself allows. The measurements of a round run one after the other.
 *
 * - `peer`: one JSON parameter per batch and DO NOTHING, as in the fastest sink of other projects.
 *   A bare loop sends batches that are ready in memory. Compare it with `drain_without_orders`.
 * - `copy`: the final rows of the drain of mix M, copied into both tables by the server itself.
 * - `our_sql`, `one_by_one`: the statements of this project from a bare loop, with batches and with
 *   one event per transaction.
 */
import { drain } from './drain.ts';
import type { Servers } from './servers.ts';
import { asPeer, copyInto, oneByOne, ourSql } from './sql.ts';

/** Rates are in events per second. */
export async function sink(servers: Servers, events: number, round: number) {
  const name = (of: string) => `${of}_${process.pid}_${round}`;
  let copy = 0;
  const m = await drain(servers, {
    events,
    mix: 'm',
    afterwards: async (pool) => {
      copy = await copyInto(servers, pool, name('copy'));
    },
  });
  const settings = { ORDERS_PROJECTION: 'off' };
  const without = await drain(servers, { events, settings });
  const peer = await asPeer(servers, events, name('peer'));
  const again = await drain(servers, { events, mix: 'duplicates' });
  const distinct = await drain(servers, { events });
  return {
    copy,
    peer,
    our_sql: await ourSql(servers, events, name('sql')),
    one_by_one: await oneByOne(servers, name('single')),
    drain_m: m.events_per_second,
    drain_without_orders: without.events_per_second,
    drain_duplicates: again.events_per_second,
    drain_distinct: distinct.events_per_second,
    drain_m_to_copy: m.events_per_second / copy,
    drain_without_orders_to_peer: without.events_per_second / peer,
    duplicates_to_distinct: again.events_per_second / distinct.events_per_second,
    drain_m_consumer_cpu_us: m.consumer_cpu_us_per_event,
    drain_m_postgres_cpu_us: m.postgres_cpu_us_per_event,
    drain_distinct_consumer_cpu_us: distinct.consumer_cpu_us_per_event,
    drain_distinct_postgres_cpu_us: distinct.postgres_cpu_us_per_event,
  };
}
