/** A foreign producer that sends every kind of record, within transactions and without. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type WireEvent, wireEvent } from './events.ts';
import { foreignProducer, KAFKA } from './kafka.ts';

const PER_SEND = Number(process.env.SOAK_BATCH ?? 50);
const SEND_EVERY_MS = 200;
/** Events go to this many of the newest orders. A new event would heal an order that shows another one. */
const OPEN_ORDERS = 200;

/** Sends until it is stopped: new events of old and new orders, repeats, conflicts, and garbage. */
export function startMixedLoad(topic: string) {
  const stopping = new AbortController();
  const orders: string[] = [];
  const sent: WireEvent[] = [];
  const pick = <T>(list: readonly T[]) => list[Math.trunc(Math.random() * list.length)] as T;
  const next = (): { key: string; value: string } => {
    const dice = Math.random();
    if (dice < 0.05 && sent.length > 0) return messageOf(pick(sent));
    if (dice < 0.06 && sent.length > 0) return messageOf({ ...pick(sent), user_id: 'other' });
    if (dice < 0.065) return { key: crypto.randomUUID(), value: 'garbage' };
    if (dice > 0.7 || orders.length === 0) orders.push(crypto.randomUUID());
    const user_id = dice > 0.99 ? 'moody' : `user-${sent.length % 100}`;
    const event = wireEvent({
      order_id: pick(orders.slice(-OPEN_ORDERS)),
      user_id,
      total_amount: '10.01',
    });
    sent.push(event);
    return messageOf(event);
  };
  const messageOf = (event: WireEvent) => ({ key: event.order_id, value: JSON.stringify(event) });
  const messages = () =>
    Array.from({ length: PER_SEND }, next).map(({ key, value }) => ({
      topic,
      key: Buffer.from(key),
      value: Buffer.from(value),
    }));
  const run = async () => {
    const producer = foreignProducer();
    const inTransactions = foreignProducer(KAFKA as string, `${topic}-tx`);
    for (let n = 1; !stopping.signal.aborted; n++) {
      if (n % 20 !== 0) await producer.send({ messages: messages() });
      else {
        // Markers and aborted records leave offsets without a record.
        const transaction = await inTransactions.beginTransaction();
        const sentBefore = sent.length;
        await transaction.send({ messages: messages() });
        if (n % 40 === 0) await transaction.commit();
        else {
          await transaction.abort();
          // A repeat of these would be a new event.
          sent.length = sentBefore;
        }
      }
      await sleep(SEND_EVERY_MS, undefined, { signal: stopping.signal }).catch(() => {});
    }
    await Promise.all([producer.close(), inTransactions.close()]);
  };
  const running = run();
  return {
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}
