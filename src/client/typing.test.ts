/** What the declaration of a team's events says to TypeScript, and that the client sends what it is given. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { wireEvent } from '../../test/support/events.ts';
import { startIngest } from '../../test/support/ingest.ts';
import { defineEvents } from '../handlers/define-events.ts';
import type { TestKit } from '../testing/index.ts';
import { createClient, type NewEvent, Rejected, type SentEvent } from './index.ts';
import { payloadOf } from './payload.ts';

const events = defineEvents(
  {
    'order.placed': {
      data: z.object({ currency: z.string(), note: z.string().optional() }),
    },
    'order.cancelled': {
      amount: 'none',
      data: { type: 'object', properties: { reason: { type: 'string' } } },
    },
    'order.refunded': {
      amount: 'signed',
      version: 2,
      data: z.object({ of: z.uuid() }),
      upgrade: {},
    },
    'order.shipped': { amount: 'none' },
  },
  { ids: { event: 'stripe' } },
);
const strictEvents = defineEvents({ 'order.shipped': { amount: 'none' } }, { untyped: 'refuse' });
const envelope = { order_id: 'o', user_id: 'u', timestamp: '2026-01-02T03:04:05Z' };
const placed = { ...envelope, type: 'order.placed', total_amount: '9.50' } as const;

/** Never called: it has to compile, and each marked line must not. */
export function typesOfTheClient(declaredFailure: SentEvent): void {
  const client = createClient<typeof events>({ url: 'http://localhost' });
  void client.send({ ...placed, data: { currency: 'EUR' } });
  void client.send({
    ...placed,
    event_id: 'evt_1',
    version: 1,
    data: { currency: 'EUR', note: '' },
  });
  void client.send({ ...envelope, type: 'order.cancelled', data: { reason: 'x' } });
  void client.send({ ...envelope, type: 'order.shipped', timestamp: new Date() });
  void client.sendMany([{ ...envelope, type: 'order.shipped' }]);
  const seen = async () => {
    for await (const { event } of client.sendMany([])) {
      if (event.type === 'order.placed') event.data.currency satisfies string;
      // @ts-expect-error the data of another type
      event.data.currency;
      await client.send(event);
    }
  };
  void seen;
  // What the client gave back may be sent again.
  void client.send(declaredFailure);
  // Without a type, unless the declaration refuses that.
  void client.send({ ...envelope, total_amount: 1 });
  const strict = createClient<typeof strictEvents>({ url: 'http://localhost' });
  void strict.send({ ...envelope, type: 'order.shipped' });
  // @ts-expect-error untyped: 'refuse'
  void strict.send({ ...envelope, total_amount: 1 });
  // @ts-expect-error no such type
  void client.send({ ...envelope, type: 'order.placd', total_amount: 1, data: {} });
  // @ts-expect-error untyped: 'refuse', though complete
  void strict.send({ ...envelope, event_id: 'evt_1', total_amount: 1 });
  // @ts-expect-error without its data
  void client.send({ ...placed });
  // @ts-expect-error another type of data
  void client.send({ ...placed, data: { currency: 1 } });
  // @ts-expect-error data of another type of events
  void client.send({ ...placed, data: { of: '' } });
  // @ts-expect-error an amount where there is none
  void client.send({ ...envelope, type: 'order.shipped', total_amount: 1 });
  // @ts-expect-error no amount where there must be one
  void client.send({ ...envelope, type: 'order.placed', data: { currency: 'EUR' } });
  // @ts-expect-error data where there is none
  void client.send({ ...envelope, type: 'order.shipped', data: {} });
  // @ts-expect-error data that is no object
  void client.send({ ...envelope, type: 'order.cancelled', data: 'x' });

  const plain = createClient({ url: 'http://localhost' });
  const event: NewEvent = { ...envelope, total_amount: 1 };
  void plain.send(event);
  void plain.send(declaredFailure);
  // @ts-expect-error a type that nobody declared
  void plain.send({ ...event, type: 'order.placed' });
}

/** Never called either. */
export async function typesOfTheKit(kit: TestKit<typeof events>, plain: TestKit): Promise<void> {
  const sent = await kit.send({ type: 'order.placed', data: { currency: 'EUR' } });
  const id: string = sent.event_id;
  await kit.sendTwice({ type: 'order.shipped', order_id: sent.order_id });
  await kit.send(sent);
  await kit.send({ user_id: id });
  await kit.send();
  await kit.provesExactlyOnce([{ type: 'order.placed', data: { currency: 'EUR' } }, {}]);
  await plain.send({ type: 'any', data: 1 });
  // @ts-expect-error no such type
  await kit.send({ type: 'order.placd', data: { currency: 'EUR' } });
  // @ts-expect-error without its data
  await kit.send({ type: 'order.placed' });
  // @ts-expect-error data without a type
  await kit.send({ data: { currency: 'EUR' } });
  // @ts-expect-error an amount where there is none
  await kit.provesExactlyOnce([{ type: 'order.shipped', total_amount: 1 }]);
}

/** Nor is this. */
export const handlers = [
  events.on('order.placed', async ([event]) => {
    const currency: string | undefined = event?.data.currency;
    // @ts-expect-error not declared
    event?.data.price;
    void currency;
  }),
  events.on(['order.cancelled', 'order.shipped'], async ([event]) => {
    if (event?.type === 'order.cancelled') void (event.data.reason satisfies unknown);
    const amount: null | undefined = event?.totalAmount;
    void amount;
  }),
  // @ts-expect-error no such type; at run time it throws as well
  () => events.on('order.placd', async () => {}),
];

describe('A client of declared events', () => {
  it('passes type, version and data through unchanged, and resends the same bytes', async (t) => {
    const { url, log } = await startIngest(t);
    const client = createClient({ url });
    const data = JSON.parse('{"b":[1.50,{"__proto__":{"x":1}}],"a":"\\u2028é"}') as unknown;
    const event = { ...wireEvent(), type: 'order.placed', version: 3, data };
    const { bytes } = payloadOf(event);
    assert.deepEqual(JSON.parse(Buffer.from(bytes).toString()), event);
    // Nothing is declared here, so that the API refuses it, and the client gives the event back.
    const error = await client.send(event as never).then(
      () => assert.fail('It did not reject'),
      (reason: unknown) => reason as Rejected,
    );
    assert.ok(error instanceof Rejected);
    assert.deepEqual(Buffer.from(payloadOf(error.event as SentEvent).bytes), Buffer.from(bytes));
    assert.deepEqual(log.appended, []);
  });

  it('takes the answers to text ids as the API gives them, in any case', async (t) => {
    const module = fileURLToPath(new URL('../../test/support/text-ids-module.ts', import.meta.url));
    const { url, log } = await startIngest(t, { EVENTS_MODULE: module });
    const client = createClient({ url, deadlineMs: 5000 });
    const event = wireEvent({ event_id: 'evt_1Aß', order_id: '#1001' });
    assert.equal((await client.send(event)).event_id, 'evt_1Aß');
    const upper = wireEvent({ event_id: wireEvent().event_id.toUpperCase() });
    const statuses: string[] = [];
    for await (const { status } of client.sendMany([event, upper])) statuses.push(status);
    assert.deepEqual(statuses, ['accepted', 'accepted']);
    assert.equal((await client.send(upper)).event_id, upper.event_id.toLowerCase());
    assert.equal(log.appended.length, 4);
  });
});
