/**
 * A closed-loop load generator in a process of its own: CONNECTIONS keep-alive connections, one
 * request under way on each, bare sockets so that it takes little of the machine.
 *
 *   load.ts PORT CONNECTIONS SECONDS EVENTS   → one JSON line: counts by status, latencies in ms
 *
 * With more than one event to a request they go to the batch endpoint as NDJSON.
 */
import { connect } from 'node:net';
import { randomEvent } from './random-event.ts';

const [port = 0, connections = 64, seconds = 10, events = 1] = process.argv.slice(2).map(Number);
const [path, type] =
  events === 1 ? ['/events', 'application/json'] : ['/events/batch', 'application/x-ndjson'];
const statuses: Record<string, number> = {};
const latencies: number[] = [];
const endAt = performance.now() + seconds * 1000;

function nextRequest(): string {
  const body = Array.from({ length: events }, () => JSON.stringify(randomEvent())).join('\n');
  return `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

/** Answers have a Content-Length, and one request is under way: the end of the body ends it. */
function isComplete(answer: string): boolean {
  const headEnd = answer.indexOf('\r\n\r\n');
  if (headEnd < 0) return false;
  const length = Number(/content-length: (\d+)/i.exec(answer)?.[1] ?? 0);
  return answer.length >= headEnd + 4 + length;
}

async function drive(): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  let answer = '';
  let sentAt = 0;
  await new Promise<void>((resolve, reject) => {
    const send = () => {
      answer = '';
      sentAt = performance.now();
      socket.write(nextRequest());
    };
    socket.on('connect', send);
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      if (!isComplete(answer)) return;
      const status = answer.slice(9, 12);
      statuses[status] = (statuses[status] ?? 0) + 1;
      latencies.push(performance.now() - sentAt);
      if (performance.now() < endAt) send();
      else resolve();
    });
  });
  socket.destroy();
}

const startedAt = performance.now();
await Promise.all(Array.from({ length: connections }, drive));
const elapsed = (performance.now() - startedAt) / 1000;
latencies.sort((a, b) => a - b);
const percentile = (p: number) => latencies[Math.trunc((latencies.length - 1) * p)];
const cpu = process.cpuUsage();
console.log(
  JSON.stringify({
    statuses,
    seconds: elapsed,
    p50_ms: percentile(0.5),
    p99_ms: percentile(0.99),
    cpu_seconds: (cpu.user + cpu.system) / 1e6,
  }),
);
