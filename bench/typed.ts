/** What a type with 1 KiB of data costs: the API and drains by turns, without and with it. */
import { fileURLToPath } from 'node:url';
import { drain } from './drain.ts';
import { type IngestOptions, ofKafka } from './ingest.ts';
import type { Servers } from './servers.ts';

const SETTINGS = { EVENTS_MODULE: fileURLToPath(new URL('typed-events.ts', import.meta.url)) };

export async function typed(
  servers: Servers,
  options: IngestOptions & { readonly events: number },
) {
  const { events, round } = options;
  const name = `typed_${process.pid}_${round}`;
  const drained = await drain(servers, { events });
  const drainedTyped = await drain(servers, { events, mix: 'typed', settings: SETTINGS });
  const posted = await ofKafka(servers, `${name}_plain`, options, 1);
  const postedTyped = await ofKafka(servers, name, { ...options, mix: 'typed' }, 1, SETTINGS);
  return {
    drain: drained.events_per_second,
    drain_typed: drainedTyped.events_per_second,
    drain_typed_to_drain: drainedTyped.events_per_second / drained.events_per_second,
    consumer_cpu_us: drained.consumer_cpu_us_per_event,
    consumer_typed_cpu_us: drainedTyped.consumer_cpu_us_per_event,
    postgres_cpu_us: drained.postgres_cpu_us_per_event,
    postgres_typed_cpu_us: drainedTyped.postgres_cpu_us_per_event,
    post: posted.perSecond,
    post_typed: postedTyped.perSecond,
    post_typed_to_post: postedTyped.perSecond / posted.perSecond,
    post_cpu_us: posted.cpuUs,
    post_typed_cpu_us: postedTyped.cpuUs,
  };
}
