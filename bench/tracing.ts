/** What tracing costs a consumer: drains of records with a traceparent, off and on by turns. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { drain } from './drain.ts';
import type { Servers } from './servers.ts';

/**
 * Drains three times: records without a traceparent; with one, of which a hundredth is sampled; and
 * the same with tracing on, to a collector in this process that accepts everything.
 */
export async function tracing(servers: Servers, events: number) {
  const collector = createServer((request, response) => {
    request.resume().on('end', () => response.end('{}'));
  });
  await new Promise<void>((done) => collector.listen(0, '127.0.0.1', done));
  const { port } = collector.address() as AddressInfo;
  const settings = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` };
  try {
    const plain = await drain(servers, { events });
    const off = await drain(servers, { events, mix: 'traced' });
    const on = await drain(servers, { events, mix: 'traced', settings });
    return {
      events_per_second: on.events_per_second,
      plain_events_per_second: plain.events_per_second,
      off_events_per_second: off.events_per_second,
      plain_cpu_us_per_event: plain.consumer_cpu_us_per_event,
      off_cpu_us_per_event: off.consumer_cpu_us_per_event,
      on_cpu_us_per_event: on.consumer_cpu_us_per_event,
    };
  } finally {
    collector.closeAllConnections();
    collector.close();
  }
}
