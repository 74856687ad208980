/** The ingest API over real HTTP, in front of a log that the test controls. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { wireEvent } from '../../test/support/events.ts';
import { detailOf, startIngest } from '../../test/support/ingest.ts';
import { until } from '../../test/support/until.ts';
import { OrderonceError } from '../errors.ts';

describe('The metrics of the producer', () => {
  it('measure single events and batches apart, and say which field was refused', async (t) => {
    const { url, post } = await startIngest(t);
    await post(wireEvent());
    const body = JSON.stringify([wireEvent(), wireEvent({ total_amount: -1 }), { colour: 'red' }]);
    const headers = { 'content-type': 'application/json' };
    await fetch(`${url}/events/batch`, { method: 'POST', headers, body });
    const text = await (await fetch(`${url}/metrics`)).text();
    for (const line of [
      'ingest_seconds_count{route="/events"} 1',
      'ingest_seconds_count{route="/events/batch"} 1',
      'ingest_events_total{answer="accepted"} 2',
      'ingest_events_total{answer="rejected"} 2',
      'ingest_events_total{answer="unknown"} 0',
      'ingest_rejections_total{field="total_amount",problem="greater_than"} 1',
      'ingest_rejections_total{field="other",problem="extra_forbidden"} 1',
      'ingest_rejections_total{field="event_id",problem="missing"} 1',
      'append_seconds_count{result="acknowledged"} 2',
      'append_seconds_count{result="failed"} 0',
      'access_refused_total{why="foreign_page"} 0',
      'dependency_up{dependency="log"} 1',
    ]) {
      assert.ok(text.includes(`\norderonce_${line}\n`), line);
    }
  });

  it('show how long the oldest event has waited, and which appends failed', async (t) => {
    const { log, url, post } = await startIngest(t, { DELIVERY_DEADLINE_MS: '300' });
    log.isAutomatic = false;
    const numberOf = async (name: string) => {
      const text = await (await fetch(`${url}/metrics`)).text();
      return Number(new RegExp(`\\n${name} (\\S+)`).exec(text)?.[1]);
    };
    const answering = post(wireEvent());
    await until('it waits', async () => (await numberOf('orderonce_ingest_oldest_seconds')) > 0.05);
    assert.equal(await numberOf('orderonce_ingest_queued'), 1);
    assert.equal((await answering).status, 500);
    log.pending[0]?.fail(new Error('The broker is gone'));
    await until('the failed append is counted', async () => {
      return (await numberOf('orderonce_append_seconds_count\\{result="failed"\\}')) === 1;
    });
    assert.equal(await numberOf('orderonce_ingest_oldest_seconds'), 0);
  });
});

describe('POST /events', () => {
  it('answers 202 with the receipt, and where the status can be read', async (t) => {
    const { post } = await startIngest(t, { STATUS_BASE_URL: 'https://日本.example/' });
    const event = wireEvent();
    const answer = await post(event);
    assert.equal(answer.status, 202);
    assert.equal(await answer.text(), `{"status":"accepted","event_id":"${event.event_id}"}`);
    assert.match(answer.headers.get('orderonce-request-id') ?? '', /^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    const headers = ['location', 'orderonce-topic', 'orderonce-partition', 'orderonce-offset'];
    assert.deepEqual(
      headers.map((name) => answer.headers.get(name)),
      [`https://xn--wgv71a.example/events/${event.event_id}`, 'order_events', '3', '0'],
    );
  });

  it('answers 202 only once the log has acknowledged [G1]', async (t) => {
    const { log, post } = await startIngest(t);
    log.isAutomatic = false;
    let isAnswered = false;
    const answering = post(wireEvent()).finally(() => {
      isAnswered = true;
    });
    await until('the append is under way', () => log.pending.length === 1);
    assert.equal(isAnswered, false);
    log.pending[0]?.acknowledge();
    assert.equal((await answering).status, 202);
  });

  it('answers 422 with all errors at once, in the FastAPI shape, and appends nothing', async (t) => {
    const { log, post } = await startIngest(t);
    const answer = await post('{"event_id":"x","order_id":7,"total_amount":-1,"more":true}');
    assert.equal(answer.status, 422);
    assert.deepEqual(await detailOf(answer), [
      {
        type: 'uuid_parsing',
        loc: ['body', 'event_id'],
        msg: 'Input should be a valid UUID of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx',
        input: 'x',
      },
      {
        type: 'uuid_type',
        loc: ['body', 'order_id'],
        msg: 'UUID input should be a string',
        input: 7,
      },
      {
        type: 'greater_than',
        loc: ['body', 'total_amount'],
        msg: 'Input should be greater than 0',
        input: -1,
        ctx: { gt: 0 },
      },
      {
        type: 'extra_forbidden',
        loc: ['body', 'more'],
        msg: 'Extra inputs are not permitted',
        input: true,
      },
      ...['user_id', 'timestamp'].map((name) => ({
        type: 'missing',
        loc: ['body', name],
        msg: 'Field required',
        input: { event_id: 'x', order_id: 7, total_amount: -1, more: true },
      })),
    ]);
    assert.deepEqual(log.appended, []);
  });

  it('answers 500 within the deadline when the log hangs, and recovers [G9]', async (t) => {
    const { log, post } = await startIngest(t, { DELIVERY_DEADLINE_MS: '300' });
    log.isAutomatic = false;
    const answer = await post(wireEvent());
    assert.equal(answer.status, 500);
    assert.equal(await detailOf(answer), 'Internal Server Error');
    assert.equal(log.appended.length, 1);
    // The queue knows of the trouble now: this event is answered immediately and never appended.
    assert.equal((await post(wireEvent())).status, 500);
    log.isAutomatic = true;
    log.pending[0]?.acknowledge();
    assert.equal((await post(wireEvent())).status, 202);
    assert.equal(log.appended.length, 2);
  });

  it('answers 500 when the log fails', async (t) => {
    const { log, post } = await startIngest(t);
    log.isAutomatic = false;
    const answering = post(wireEvent());
    await until('the append is under way', () => log.pending.length === 1);
    log.pending[0]?.fail(new Error('secret broker address'));
    assert.equal(await detailOf(await answering), 'Internal Server Error');
  });

  it('answers 503 with Retry-After when its queue is full [G10]', async (t) => {
    const { log, post } = await startIngest(t, { APPEND_QUEUE_MAX: '1' });
    log.isAutomatic = false;
    const first = post(wireEvent());
    await until('the append is under way', () => log.pending.length === 1);
    const answer = await post(wireEvent());
    assert.equal(answer.status, 503);
    assert.equal(answer.headers.get('retry-after'), '1');
    assert.match(String(await detailOf(answer)), /wait for the log/);
    log.pending[0]?.acknowledge();
    assert.equal((await first).status, 202);
  });
});

describe('The trace context of a request', () => {
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

  it('goes into each of its records, though nothing is traced', async (t) => {
    const { log, url, post } = await startIngest(t);
    await post(wireEvent(), { traceparent, tracestate: 'a=1' });
    const type = { 'content-type': 'application/x-ndjson' };
    const lines = [wireEvent(), wireEvent()].map((event) => JSON.stringify(event)).join('\n');
    await fetch(`${url}/events/batch`, {
      method: 'POST',
      headers: { ...type, traceparent },
      body: lines,
    });
    const { 'orderonce-request-id': id, ...others } = log.headers[0] ?? {};
    assert.match(id ?? '', /^[\da-f-]{36}$/);
    assert.deepEqual(others, { traceparent, tracestate: 'a=1' });
    assert.deepEqual(
      log.headers.slice(1).map((headers) => headers.traceparent),
      [traceparent, traceparent],
    );
  });

  it('is left out if it is missing or not valid', async (t) => {
    const { log, post } = await startIngest(t);
    await post(wireEvent());
    await post(wireEvent(), { traceparent: 'forged\u00ff', tracestate: 'a=1' });
    await post(wireEvent(), { traceparent, tracestate: `a=${'x'.repeat(600)}` });
    assert.deepEqual(
      log.headers.map((headers) => Object.keys(headers)),
      [['orderonce-request-id'], ['orderonce-request-id'], ['orderonce-request-id', 'traceparent']],
    );
  });
});

describe('The producer service', () => {
  it('is ready only while the log could take an append', async (t) => {
    const { log, url } = await startIngest(t);
    await until('healthy', async () => (await fetch(`${url}/health`)).status === 200);
    assert.deepEqual(await (await fetch(`${url}/health`)).json(), {
      status: 'healthy',
      service: 'producer',
      topic: 'order_events',
      event_types: [],
      queued: 0,
      warnings: [],
    });
    log.checkError = new Error('no broker');
    const red = await until('unhealthy', async () => {
      const answer = await fetch(`${url}/health/ready`);
      return answer.status === 503 ? answer : null;
    });
    assert.match(String(await detailOf(red)), /no broker/);
    assert.equal((await fetch(`${url}/health/live`)).status, 200);
  });

  it('stays ready while a part of the partitions takes no events, and names it in /health', async (t) => {
    const { log, url } = await startIngest(t);
    log.found = ['Partitions 1, 4 have no leader'];
    const red = await until('/health is red', async () => {
      const answer = await fetch(`${url}/health`);
      return answer.status === 503 ? answer : null;
    });
    assert.match(String(await detailOf(red)), /Partitions 1, 4 have no leader/);
    const ready = await fetch(`${url}/health/ready`);
    assert.equal(ready.status, 200);
    assert.match(String(await detailOf(ready)), /Partitions 1, 4 have no leader/);
  });

  it('answers 413 for an event that the topic does not take, and says why', async (t) => {
    const { log, post } = await startIngest(t);
    log.refusal = new OrderonceError('RECORD_TOO_LARGE', 'Topic "order_events" takes 100 bytes');
    const answer = await post(wireEvent());
    assert.equal(answer.status, 413);
    assert.match(JSON.stringify(await detailOf(answer)), /record_too_large.*takes 100 bytes/);
    assert.deepEqual(log.appended, []);
  });

  it('redirects to where the status of an event can be read', async (t) => {
    const { url } = await startIngest(t, { STATUS_BASE_URL: 'http://127.0.0.1:9' });
    const answer = await fetch(`${url}/events/abc%2Fdef?wait=5`, { redirect: 'manual' });
    assert.equal(answer.status, 307);
    assert.equal(answer.headers.get('location'), 'http://127.0.0.1:9/events/abc%2Fdef?wait=5');
  });

  it('documents itself: OpenAPI, a page to read it, metrics', async (t) => {
    const { url, post } = await startIngest(t);
    await post(wireEvent());
    await post('{}');
    const document = (await (await fetch(`${url}/openapi.json`)).json()) as {
      openapi: string;
      paths: Record<string, Record<string, { responses: object }>>;
    };
    assert.match(document.openapi, /^3\.1/);
    const responses = Object.keys(document.paths['/events']?.post?.responses ?? {});
    const errors = ['400', '401', '403', '413', '415', '422', '429', '500', '503'];
    assert.deepEqual(responses, ['202', ...errors]);
    assert.match(await (await fetch(`${url}/docs`)).text(), /swagger/i);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    assert.match(metrics, /orderonce_ingest_events_total\{answer="accepted"\} 1/);
    assert.match(metrics, /orderonce_ingest_events_total\{answer="rejected"\} 1/);
  });

  it('stops: finishes what is in flight, then listens no more [G1]', async (t) => {
    const { log, service, url, post } = await startIngest(t);
    log.isAutomatic = false;
    const inFlight = post(wireEvent());
    await until('the append is under way', () => log.pending.length === 1);
    const stopped = service.stop();
    await assert.rejects(fetch(`${url}/health`));
    log.pending[0]?.acknowledge();
    assert.equal((await inFlight).status, 202);
    await stopped;
    assert.equal(log.closed, true);
  });

  it('stops by the delivery deadline when the log hangs; who waits is answered 500 [G10]', async (t) => {
    const { log, service, post } = await startIngest(t, { DELIVERY_DEADLINE_MS: '300' });
    log.isAutomatic = false;
    const inFlight = post(wireEvent());
    await until('the append is under way', () => log.pending.length === 1);
    await service.stop();
    assert.equal((await inFlight).status, 500);
  });
});
