/**
 * An open-loop load generator, which runs in its own process. Requests are due at a constant rate,
 * whether or not earlier ones were answered, and latency counts from when a request was due. So a
 * stall counts for every request that it delays, and not only for those in flight.
 *
 *   open-load.ts PORT RATE SECONDS
 *
 * Prints one JSON line. `accepted` holds for each accepted event when it was due, when its 202
 * arrived (both in ms since 1970), and its partition and offset. `others` counts other answers.
 */
import { HttpConnection } from './http-connection.ts';
import { randomEvent } from './random-event.ts';

const CONNECTIONS = 64;
const TICK_MS = 1;

const [port = 0, rate = 1000, seconds = 5] = process.argv.slice(2).map(Number);
const accepted = {
  due: [] as number[],
  answered: [] as number[],
  partition: [] as number[],
  offset: [] as number[],
};
let others = 0;
let underWay = 0;
const free = Array.from(
  { length: CONNECTIONS },
  () => new HttpConnection(port, '/events', 'application/json'),
);
const waiting: number[] = [];

async function send(connection: HttpConnection, due: number): Promise<void> {
  underWay++;
  const { status, head } = await connection.post(JSON.stringify(randomEvent()));
  underWay--;
  if (status === '202') {
    accepted.due.push(performance.timeOrigin + due);
    accepted.answered.push(performance.timeOrigin + performance.now());
    accepted.partition.push(Number(/orderonce-partition: (\d+)/i.exec(head)?.[1]));
    accepted.offset.push(Number(/orderonce-offset: (\d+)/i.exec(head)?.[1]));
  } else others++;
  const next = waiting.shift();
  if (next === undefined) free.push(connection);
  else await send(connection, next);
}

const startedAt = performance.now();
const total = Math.round(rate * seconds);
for (let sent = 0; sent < total; ) {
  for (; sent < total && startedAt + (sent / rate) * 1000 <= performance.now(); sent++) {
    const due = startedAt + (sent / rate) * 1000;
    const connection = free.pop();
    if (connection === undefined) waiting.push(due);
    else void send(connection, due);
  }
  await new Promise((done) => setTimeout(done, TICK_MS));
}
while (underWay > 0) await new Promise((done) => setTimeout(done, TICK_MS));
for (const connection of free) connection.close();
const cpu = process.cpuUsage();
console.log(JSON.stringify({ accepted, others, cpu_seconds: (cpu.user + cpu.system) / 1e6 }));
