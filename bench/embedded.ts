/**
 * Measures the embedded log instead of Kafka: a drain of mix M, the maximum rate end to end, and
 * the time until an event is visible at a quarter of that rate.
 */
import { drain } from './drain.ts';
import { Pipeline, WARM_UP_SECONDS } from './end-to-end.ts';
import { EMBEDDED, type Servers } from './servers.ts';

type EmbeddedOptions = {
  readonly events: number;
  readonly seconds: number;
  readonly round: number;
};

/** Rates are in events per second. */
export async function embedded(servers: Servers, { events, seconds, round }: EmbeddedOptions) {
  const own = { ...servers, bootstrap: EMBEDDED };
  const drained = await drain(own, { events, mix: 'm' });
  const pipeline = await Pipeline.start(own, `embedded_${process.pid}_${round}`);
  try {
    await pipeline.saturate(WARM_UP_SECONDS);
    const { perSecond: most, cpu } = await pipeline.saturate(seconds);
    // Kafka takes no part here.
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
