/** `POST /events/batch` over real HTTP, in front of a log that the test controls. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { wireEvent } from '../../test/support/events.ts';
import { FakeLog } from '../../test/support/fake-log.ts';
import { testSettings } from '../../test/support/settings.ts';
import { until } from '../../test/support/until.ts';
import { createLogger } from '../runtime/logger.ts';
import { startProducer } from '../services/producer-service.ts';
import { BATCH_ITEMS_MAX, BODY_BYTES_MAX } from './accept-batch.ts';

type Result = {
  index: number;
  status: string;
  event_id?: string;
  offset?: number;
  detail?: unknown;
};
type Body = { accepted: number; rejected: number; results: Result[]; detail?: unknown };

async function setUp(t: TestContext, env: Record<string, string> = {}) {
  const log = new FakeLog();
  log.isAutomatic = true;
  const service = await startProducer(testSettings(env), log, createLogger('silent'));
  t.after(() => service.stop());
  const url = `http://127.0.0.1:${service.port}/events`;
  const send = async (path: string, body: string | ReadableStream, type: string) => {
    const headers = { 'content-type': type };
    const answer = await fetch(url + path, {
      method: 'POST',
      headers,
      body,
      duplex: 'half',
    } as RequestInit);
    return { answer, status: answer.status, body: (await answer.json()) as Body };
  };
  return {
    log,
    service,
    one: (body: string) => send('', body, 'application/json'),
    array: (events: readonly (object | string)[]) =>
      send(
        '/batch',
        `[${events.map((e) => (typeof e === 'string' ? e : JSON.stringify(e))).join(',')}]`,
        'application/json',
      ),
    lines: (body: string | ReadableStream) => send('/batch', body, 'application/x-ndjson'),
    send,
  };
}

const statuses = ({ results }: Body) => results.map(({ status }) => status).join();

describe('POST /events/batch', () => {
  it('bounds its answer, whatever is wrong with how many items [G10]', async (t) => {
    const { lines, one } = await setUp(t);
    const keys = Array.from({ length: 100 }, (_, i) => `"k${i}":1`).join();
    const { status, body } = await lines(`{${keys}}\n`.repeat(9000));
    assert.deepEqual([status, body.rejected], [422, 9000]);
    assert.ok(JSON.stringify(body).length < 2_000_000, `${JSON.stringify(body).length}`);
    assert.deepEqual(body.results[0]?.detail, (await one(`{${keys}}`)).body.detail);
    assert.match(JSON.stringify(body.results[8999]?.detail), /not_listed.*send it alone/);
  });

  it('gives a verdict for each item in the order of the body; invalid ones stop nobody [G1]', async (t) => {
    const { log, array } = await setUp(t);
    const [a, b] = [wireEvent(), wireEvent()];
    const { status, body } = await array([a, { ...a, total_amount: -1 }, '"no event"', b]);
    assert.equal(status, 202);
    assert.deepEqual([body.accepted, body.rejected], [2, 2]);
    assert.deepEqual(
      body.results.map(({ index, status, event_id, offset }) => [index, status, event_id, offset]),
      [
        [0, 'accepted', a.event_id, 0],
        [1, 'rejected', undefined, undefined],
        [2, 'rejected', undefined, undefined],
        [3, 'accepted', b.event_id, 1],
      ],
    );
    assert.equal(log.appended.length, 2);
  });

  it('says of each item what POST /events says of it [G8]', async (t) => {
    const { array, lines, one } = await setUp(t);
    const field = fc.oneof(fc.json(), fc.constantFrom('"2026-01-02T03:04:05Z"', '1.5', '-1', '""'));
    const item = fc.oneof(
      fc.record({ user_id: field, total_amount: field, timestamp: field }).map((parts) => {
        const { event_id, order_id } = wireEvent();
        const members = Object.entries(parts).map(([name, source]) => `"${name}":${source}`);
        return `{"event_id":"${event_id}","order_id":"${order_id}",${members.join(',')}}`;
      }),
      fc.json(),
      fc.constantFrom('{"a":}', '{"a" 1}', 'nul', '"\\x"'),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(item, { minLength: 1, maxLength: 8 }), async (items) => {
        const singles = await Promise.all(items.map((body) => one(body)));
        const expected = singles.map(({ status, body }) =>
          status === 202 ? 'accepted' : JSON.stringify(body.detail),
        );
        for (const answer of [await array(items), await lines(items.join('\n'))]) {
          const given = answer.body.results.map(({ status, detail }) =>
            status === 'accepted' ? status : JSON.stringify(detail),
          );
          assert.deepEqual(given, expected);
          assert.equal(answer.status, expected.includes('accepted') ? 202 : 422);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('appends in pieces, in the order of the body, while the body still arrives [G5] [G10]', async (t) => {
    const { log, lines } = await setUp(t);
    log.isAutomatic = false;
    const events = Array.from({ length: 1200 }, () => wireEvent());
    const half = Promise.withResolvers<void>();
    const body = new ReadableStream({
      async start(controller) {
        const text = (part: object[]) =>
          Buffer.from(part.map((e) => `${JSON.stringify(e)}\n`).join(''));
        controller.enqueue(text(events.slice(0, 600)));
        await half.promise;
        controller.enqueue(text(events.slice(600)));
        controller.close();
      },
    });
    const answering = lines(body);
    await until('the first piece is under way', () => log.pending.length === 1);
    assert.equal(log.pending[0]?.values.length, 500);
    half.resolve();
    log.isAutomatic = true;
    log.pending[0]?.acknowledge();
    const { body: answer } = await answering;
    assert.equal(answer.accepted, 1200);
    assert.deepEqual(
      log.appended.map((value) => JSON.parse(value).event_id),
      events.map(({ event_id }) => event_id),
    );
  });

  it('says "unknown" where the log does not acknowledge, and sends nothing behind it [G5] [G9]', async (t) => {
    const { log, array } = await setUp(t);
    log.isAutomatic = false;
    const answering = array([...Array.from({ length: 700 }, () => wireEvent()), 'x']);
    await until('the first piece is under way', () => log.pending.length === 1);
    log.pending[0]?.fail(new Error('broken pipe'));
    const { status, body } = await answering;
    assert.equal(status, 500);
    assert.equal(statuses(body), `${'unknown,'.repeat(700)}rejected`);
    assert.equal(log.appended.length, 500);
  });

  it('sends nothing of an order behind an event that is unknown, and continues with other lanes [G5] [G9]', async (t) => {
    const { log, array } = await setUp(t);
    log.isAutomatic = false;
    log.lanes = 2;
    const orders = ['a', 'b'].map((letter, lane) => `${randomUUID().slice(0, -2)}${letter}${lane}`);
    const event = (i: number) => wireEvent({ order_id: orders[i % 2] as string });
    const answering = array(Array.from({ length: 700 }, (_, i) => event(i)));
    await until('both lanes are under way', () => log.pending.length === 2);
    const [even, odd] = log.pending;
    even?.fail(new Error('no leader'));
    odd?.acknowledge();
    const next = await until('the next piece is under way', () => log.pending[0]);
    assert.deepEqual(new Set(next.keys), new Set([orders[1]]));
    next.acknowledge();
    const { status, body } = await answering;
    assert.equal(status, 500);
    assert.equal(statuses(body), Array(350).fill('unknown,accepted').join());
    assert.equal(log.appended.length, 600);
  });

  it('answers 503 where the queue is full: refused, certainly not appended [G10]', async (t) => {
    const { log, array, one } = await setUp(t, { APPEND_QUEUE_MAX: '2' });
    log.isAutomatic = false;
    const held = one(JSON.stringify(wireEvent()));
    await until('one is under way', () => log.pending.length === 1);
    const { answer, status, body } = await array([wireEvent(), wireEvent()]);
    assert.deepEqual(
      [status, statuses(body), answer.headers.get('retry-after')],
      [503, 'refused,refused', '1'],
    );
    log.pending[0]?.acknowledge();
    await held;
    assert.equal(log.appended.length, 1);
  });

  it('reads no further than it may, says so in the last verdict, and keeps what it read', async (t) => {
    const { log, lines, array, one } = await setUp(t);
    const many = `${JSON.stringify(wireEvent())}\n`.repeat(BATCH_ITEMS_MAX + 5);
    const { status, body } = await lines(many);
    assert.deepEqual([status, body.accepted, body.rejected], [202, BATCH_ITEMS_MAX, 1]);
    assert.match(JSON.stringify(body.results.at(-1)?.detail), /More than 10000 events/);
    const tooLong = await lines('x'.repeat(BODY_BYTES_MAX + 1));
    assert.equal(tooLong.status, 413);
    assert.equal((await array(['{"a":1', '2'])).status, 422);
    log.appended.length = 0;
    assert.equal((await one(JSON.stringify(wireEvent()))).status, 202);
  });

  it('refuses other types and nothing at all', async (t) => {
    const { send, array, lines } = await setUp(t);
    assert.equal((await send('/batch', 'x', 'text/plain')).status, 415);
    const none = await array([]);
    assert.deepEqual([none.status, none.body], [422, { accepted: 0, rejected: 0, results: [] }]);
    assert.equal((await lines('\n\n')).status, 422);
  });
});
