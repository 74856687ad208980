/** A deployment with traffic of all kinds, for the tests of the console and its screenshots. */
import { randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { examine } from '../../src/doctor/doctor.ts';
import { EmbeddedAppender } from '../../src/log-embedded/embedded-log.ts';
import { state } from './console-handlers.ts';
import { startEmbeddedServices } from './embedded-services.ts';
import { type WireEvent, wireEvent } from './events.ts';
import { freePort } from './free-port.ts';
import { until } from './until.ts';

const HANDLERS = fileURLToPath(new URL('./console-handlers.ts', import.meta.url));
const TOPIC = 'order_events';

export type ConsoleSite = Awaited<ReturnType<typeof startConsoleSite>>;

/** Everything that a page can show holds text like this: markup, right to left, emoji, and 10,000 characters. */
export const HOSTILE =
  `<script>globalThis.hacked=1</script><img src=x onerror="globalThis.hacked=1">` +
  `\u202Eabc\u202C שלום 🧾👩‍👩‍👧‍👦 &lt;b&gt; '"\`\${1}`;

/** The services run in this process until the test ends. */
export async function startConsoleSite(t: TestContext, env: Record<string, string> = {}) {
  state.isFixed = false;
  const ports = {
    CONSUMER_PORT: String(await freePort()),
    PRODUCER_PORT: String(await freePort()),
  };
  const given = { ORDERONCE_DATA_DIR: '.', HANDLERS_MODULE: HANDLERS, ...ports, ...env };
  const services = await startEmbeddedServices(t, given, examine);
  const { pool } = services.database;
  const appender = new EmbeddedAppender(pool, TOPIC);
  const counts = async () => {
    const { rows } = await pool.query<{ n: number }>(
      'SELECT coalesce(sum(next_offset), 0)::int AS n FROM consumer_positions',
    );
    return rows[0]?.n ?? 0;
  };
  let appended = 0;
  /** Appends values past the ingest API, as any client of the topic may; waits until all are processed. */
  const append = async (values: readonly (string | Buffer)[], key?: string): Promise<void> => {
    for (let from = 0; from < values.length; from += 500) {
      const records = values.slice(from, from + 500).map((value) => ({
        key: Buffer.from(key ?? randomUUID()),
        value: Buffer.from(value),
        headers: [[Buffer.from('x-shop'), Buffer.from('<b>web</b>')]] as [Buffer, Buffer][],
      }));
      await appender.append(records);
    }
    appended += values.length;
    await until(`${appended} records are processed`, async () => (await counts()) >= appended);
  };
  /** Sends over HTTP. */
  const send = async (events: readonly WireEvent[]): Promise<void> => {
    for (const event of events) {
      const answer = await fetch(`${services.producerUrl}/events`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(event),
      });
      await answer.text();
      if (answer.status !== 202) throw new Error(`Answered ${answer.status}`);
      appended += 1;
    }
    await until(`${appended} records are processed`, async () => (await counts()) >= appended);
  };
  return { ...services, pool, append, send, state };
}

/** Events of all outcomes: stored, duplicates, conflicts, refused, waiting, and bytes that are no event. */
export async function seed(site: ConsoleSite, scale = 1) {
  const orderId = randomUUID();
  const text = (event: object) => JSON.stringify(event);
  const good = Array.from({ length: 40 * scale }, (_, index) =>
    wireEvent({ user_id: `user-${index}`, timestamp: '2026-01-02T03:04:05Z' }),
  );
  await site.send(good.slice(0, 20));
  await site.append(good.slice(20).map(text));
  // Repeats, by the API and past it.
  await site.send(good.slice(0, 8));
  await site.append(good.slice(8, 20).map(text));
  // The same id with another payload.
  const changed = good.slice(0, 6).map((event) => ({ ...event, total_amount: '1.50' }));
  const others = good.slice(6, 9).map((event) => ({ ...event, user_id: `other-${event.user_id}` }));
  await site.append([...changed, ...others].map(text));
  // Where every event of a partition is refused, it counts as an outage and nothing is parked. So
  // each is followed by an event that succeeds, in the same partition, which one key gives.
  const mixed = (events: readonly object[]) =>
    events.flatMap((event) => [text(event), text(wireEvent({ user_id: 'user-1' }))]);
  // Refused by the handler; the second and third event of the order wait behind the first.
  const held = [0, 1, 2].map((n) =>
    wireEvent({
      order_id: orderId,
      user_id: n === 0 ? 'blocked-7' : 'user-7',
      total_amount: `${n + 1}0.00`,
    }),
  );
  await site.append(held.map(text), orderId);
  const blocked = Array.from({ length: 12 * scale }, (_, n) =>
    wireEvent({ user_id: `blocked-${n}` }),
  );
  const cards = Array.from({ length: 5 }, () => wireEvent({ user_id: 'no-card' }));
  await site.append(mixed([...blocked, ...cards]), randomUUID());
  // No events.
  const broken = wireEvent({ total_amount: '-5', timestamp: 'yesterday' });
  await site.append([
    '{"event_id": 1}',
    'garbage',
    Buffer.from([0xff, 0, 1, 2]),
    text(broken),
    text({ ...wireEvent(), coupon: 'SUMMER' }),
  ]);
  return { good, held, orderId, broken };
}

/** Each field as hostile as the log lets it be. @returns the order of the event that is valid. */
export async function seedHostile(site: ConsoleSite) {
  const user = `${HOSTILE} `.padEnd(200, 'x').slice(0, 200).trim();
  const valid = wireEvent({ user_id: user });
  const long = 'x'.repeat(10_000);
  const rest = { [HOSTILE]: HOSTILE, long, nested: { [HOSTILE]: [long, HOSTILE] } };
  await site.append([
    JSON.stringify(valid),
    JSON.stringify({ ...valid, total_amount: '3.00' }),
    JSON.stringify(wireEvent({ user_id: `blocked ${user}`.slice(0, 200) })),
    JSON.stringify({ ...wireEvent({ user_id: long }), ...rest }),
    HOSTILE,
    long,
  ]);
  return valid;
}
