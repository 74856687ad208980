/**
 * A closed-loop load generator, which runs in its own process: CONNECTIONS keep-alive connections
 * with one request in flight on each.
 *
 *   load.ts PORT CONNECTIONS SECONDS EVENTS [MIX]   → one JSON line: counts by status, latencies in ms
 *
 * EVENTS is the number of events per request. If it is more than 1, requests go to the batch
 * endpoint as NDJSON. MIX is `distinct` or `typed`.
 */
import { HttpConnection } from './http-connection.ts';
import { percentiles } from './percentiles.ts';
import { randomEvent, typedEvent } from './random-event.ts';

const [port = 0, connections = 64, seconds = 10, events = 1] = process.argv.slice(2, 6).map(Number);
const nextEvent = process.argv[6] === 'typed' ? typedEvent : randomEvent;
const [path, type] =
  events === 1 ? ['/events', 'application/json'] : ['/events/batch', 'application/x-ndjson'];
const statuses: Record<string, number> = {};
const latencies: number[] = [];
const startedAt = performance.now();

async function drive(): Promise<void> {
  const connection = new HttpConnection(port, path as string, type as string);
  while (performance.now() < startedAt + seconds * 1000) {
    const body = Array.from({ length: events }, () => JSON.stringify(nextEvent())).join('\n');
    const sentAt = performance.now();
    const { status } = await connection.post(body);
    latencies.push(performance.now() - sentAt);
    statuses[status] = (statuses[status] ?? 0) + 1;
  }
  connection.close();
}

await Promise.all(Array.from({ length: connections }, drive));
const elapsed = (performance.now() - startedAt) / 1000;
const { p50, p99 } = percentiles(latencies);
const cpu = process.cpuUsage();
console.log(
  JSON.stringify({
    statuses,
    seconds: elapsed,
    p50_ms: p50,
    p99_ms: p99,
    cpu_seconds: (cpu.user + cpu.system) / 1e6,
  }),
);
