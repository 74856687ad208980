/**
 * The same with the log in PostgreSQL instead of Kafka: a drain of mix M, then the most that goes
 * through end to end, and the time until visible at a quarter of it.
 */
import { drain } from './drain.ts';
import { Pipeline, WARM_UP_SECONDS } from './end-to-end.ts';
import { EMBEDDED, type Servers } from './servers.ts';

type EmbeddedOptions = {
  readonly events: number;
  readonly seconds: number;
  readonly round: number;
};

export async function embedded(servers: Servers, { events, seconds, round }: EmbeddedOptions) {
  const own = { ...servers, bootstrap: EMBEDDED };
  const drained = await drain(own, { events, mix: 'm' });
  const pipeline = await Pipeline.start(own, `embedded_${process.pid}_${round}`);
  try {
    await pipeline.saturate(WARM_UP_SECONDS);
    const { perSecond: most, cpu } = await pipeline.saturate(seconds);
    // Kafka idles beside it.
    const { broker_cpu_us: _, ...ours } = cpu as Record<string, number>;
    const { sinceAccepted } = await pipeline.openLoop(Math.round(most / 4), seconds);
    return {
      drain_m: drained.events_per_second,
      drain_consumer_cpu_us: drained.consumer_cpu_us_per_event,
      drain_postgres_cpu_us: drained.postgres_cpu_us_per_event,
      most_per_second: most,
      ...ours,
      accepted_p50_ms: sinceAccepted.p50,
      accepted_p99_ms: sinceAccepted.p99,
    };
  } finally {
    await pipeline.stop();
  }
}
