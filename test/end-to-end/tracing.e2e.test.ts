/** Traces as a real receiver gets them, from whole services on both kinds of log. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { Collector, treeOf } from '../support/collector.ts';
import { createDatabase } from '../support/database.ts';
import { wireEvent } from '../support/events.ts';
import { KAFKA, newTopic, newTopicName, readRecords } from '../support/kafka.ts';
import { Orderonce, portsOf, untilHealthy } from '../support/processes.ts';
import { until } from '../support/until.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const SAMPLED = { traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: 'shop=cart' };
/** A handler that is instrumented by its team. */
const MODULE = `
import { trace } from '${import.meta.resolve('@opentelemetry/api')}';
export const handlers = [{
  name: 'charge',
  async handle(events, tx) {
    for (const { userId } of events) {
      if (userId === 'broke') await tx.query('SELECT 1 / 0');
    }
    await trace.getTracer('team').startActiveSpan('charge card', async (span) => {
      await tx.query('SELECT 1');
      span.end();
    });
  },
}];
`;

async function moduleFile(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(import.meta.dirname, '.tracing-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'handlers.mjs');
  await writeFile(file, MODULE);
  return file;
}

async function post(port: number, event: object, headers: Record<string, string> = {}) {
  const answer = await fetch(`http://127.0.0.1:${port}/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(event),
  });
  assert.equal(answer.status, 202);
}

/** The whole way of an event: a request, the log, a transaction, and a message of the outbox. */
const wayOf = (topic: string, outbox: string) => [
  'POST /events',
  `  send ${topic}`,
  `    append ${topic}`,
  `    process ${topic}`,
  '      fence',
  '      settle',
  '        handler charge',
  '          charge card',
  '        handler orderonce.order_processed',
  '      commit',
  `    send ${outbox}`,
  `    stored ${topic}`,
];

/** Siblings that begin at nearly the same time, in a fixed order. */
function sortedWay(lines: readonly string[]): string[] {
  const text = lines.join('\n');
  const blocks = text.split(/\n(?= {4}\S)/);
  const [first, ...others] = blocks;
  return [first, ...others.sort()].join('\n').split('\n');
}

const endOf = (span: { endTimeUnixNano: string }) => BigInt(span.endTimeUnixNano);

describe('Tracing', () => {
  it('makes one trace of request, append, process, stored and outbox on the embedded log', async (t) => {
    const collector = await Collector.start(t);
    const { pool, url } = await createDatabase(t);
    const service = new Orderonce(t, ['start'], {
      PRODUCER_PORT: '0',
      CONSUMER_PORT: '0',
      DATABASE_URL: url,
      ORDER_PROCESSED_TOPIC: 'processed',
      HANDLERS_MODULE: await moduleFile(t),
      // Otherwise nothing is parked while so few events have succeeded.
      HANDLER_PARK_PERCENT_MAX: '100',
      OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/`,
      OTEL_EXPORTER_OTLP_HEADERS: 'api-key=secret%20key',
      OTEL_TRACES_SAMPLER_ARG: '0',
    });
    const ports = await portsOf(service);
    const event = wireEvent({ user_id: 'jane.doe', total_amount: '1234.56' });
    await post(ports.producer, event, SAMPLED);
    await collector.span('stored order_events');
    const published = await collector.span('send processed');
    const stored = await collector.span('stored order_events');
    const commit = await collector.span('commit');
    await collector.span('POST /events');
    assert.deepEqual(
      sortedWay(treeOf(collector.of(TRACE))),
      sortedWay(wayOf('order_events', 'processed')),
    );
    t.diagnostic(treeOf(collector.of(TRACE)).join('\n'));
    assert.equal(stored.attributes['orderonce.outcome'], 'stored');
    assert.equal(stored.attributes['kafka.message.key'], event.order_id);
    assert.ok(endOf(stored) + 1_000_000n >= endOf(commit), 'it ends with COMMIT');
    assert.deepEqual(
      stored.links.map(({ traceId }) => traceId),
      [TRACE],
    );
    assert.equal((await collector.span('POST /events')).parentSpanId, PARENT);
    assert.equal(collector.headers[0]?.['api-key'], 'secret key');
    assert.ok(!service.output.includes('secret'));

    const { rows } = await pool.query(
      `SELECT headers FROM orderonce.event_log JOIN orderonce.logs USING (log_id)
        WHERE topic = 'processed'`.replaceAll('orderonce.', ''),
    );
    const text = (base64: string) => Buffer.from(base64, 'base64').toString();
    const headers = new Map(
      (rows[0].headers as [string, string][]).map(([name, value]) => [text(name), text(value)]),
    );
    assert.equal(headers.get('traceparent'), `00-${TRACE}-${published.spanId}-01`);
    assert.equal(headers.get('tracestate'), 'shop=cart');

    // What the sender does not record is not recorded here either, and the ratio of new traces is 0.
    const before = collector.spans.length;
    await post(ports.producer, wireEvent(), { traceparent: `00-${TRACE}-${PARENT}-00` });
    await post(ports.producer, wireEvent());
    // A duplicate ends in the trace of its own request.
    const again = { traceparent: `00-${'a'.repeat(32)}-${PARENT}-01` };
    await post(ports.producer, event, again);
    const duplicate = await collector.span('duplicate order_events');
    assert.equal(duplicate.traceId, 'a'.repeat(32));
    assert.match(service.output, new RegExp(`"trace_id":"${'a'.repeat(32)}".*Duplicate skipped`));
    await post(ports.producer, wireEvent({ user_id: 'broke' }), SAMPLED);
    await collector.span('parked order_events');
    const failed = collector.spans.filter(({ status }) => status.code === 2);
    assert.ok(failed.some(({ name }) => name === 'handler charge'));
    assert.deepEqual(
      collector.spans.slice(before).filter(({ traceId }) => !/^(4bf|aaa)/.test(traceId)),
      [],
    );
    const { order_id } = event;
    await post(ports.producer, { ...event, total_amount: '1234.57' });
    await post(ports.producer, wireEvent({ user_id: 'jane.doe', order_id, total_amount: '77.89' }));
    await service.untilSays('Conflict recorded');
    // Neither the log nor a span says who it was and how much it cost.
    const said = service.output + JSON.stringify(collector.spans);
    assert.doesNotMatch(said, /jane\.doe|1234\.5|77\.89|"broke"/);
    assert.match(service.output, /"level":"error",.*"service":"consumer".*Record parked/);
    assert.equal(await service.kill('SIGTERM'), 0);
  });

  it('makes one trace over producer, Kafka and consumer', {
    skip: KAFKA === undefined,
  }, async (t) => {
    const collector = await Collector.start(t);
    const { url } = await createDatabase(t);
    const [topic, processed] = [newTopicName(), await newTopic(1)];
    const env = {
      PRODUCER_PORT: '18170',
      CONSUMER_PORT: '18171',
      DATABASE_URL: url,
      KAFKA_BOOTSTRAP_SERVERS: KAFKA as string,
      KAFKA_TOPIC: topic,
      KAFKA_GROUP_ID: topic,
      ORDER_PROCESSED_TOPIC: processed,
      HANDLERS_MODULE: await moduleFile(t),
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_TRACES_SAMPLER_ARG: '0',
    };
    assert.equal(await new Orderonce(t, ['migrate'], env).exit(), 0);
    const producer = new Orderonce(t, ['producer'], env);
    const consumer = new Orderonce(t, ['consumer'], env);
    await Promise.all([untilHealthy(18_170), untilHealthy(18_171)]);
    await post(18_170, wireEvent(), SAMPLED);
    await collector.span(`send ${processed}`);
    await collector.span(`stored ${topic}`);
    await collector.span('POST /events');
    assert.deepEqual(sortedWay(treeOf(collector.of(TRACE))), sortedWay(wayOf(topic, processed)));
    t.diagnostic(treeOf(collector.of(TRACE)).join('\n'));
    const services = new Set(collector.of(TRACE).map(({ service }) => service));
    assert.deepEqual([...services].sort(), ['orderonce-consumer', 'orderonce-producer']);
    const { attributes } = await collector.span(`process ${topic}`);
    assert.equal(attributes['messaging.system.name'], 'kafka');
    assert.equal(attributes['messaging.consumer.group.name'], topic);
    const [message] = await readRecords(processed, (read) => read.length > 0);
    assert.match(message?.headers.get('traceparent') ?? '', new RegExp(`^00-${TRACE}-.*-01$`));
    assert.deepEqual(
      await Promise.all([producer.kill('SIGTERM'), consumer.kill('SIGTERM')]),
      [0, 0],
    );
  });

  it('holds up neither events nor the stop when the collector fails or hangs, and says so once [G10]', async (t) => {
    const collector = await Collector.start(t);
    const { url } = await createDatabase(t);
    const service = new Orderonce(t, ['start'], {
      PRODUCER_PORT: '0',
      CONSUMER_PORT: '0',
      DATABASE_URL: url,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_TRACES_SAMPLER_ARG: '1',
    });
    const ports = await portsOf(service);
    const lines = (text: string) =>
      service.output.split('\n').filter((line) => line.includes(text));
    const isStored = async (id: string) =>
      (await fetch(`http://127.0.0.1:${ports.consumer}/events/${id}?wait=5`)).status === 200;
    const sendOne = async () => {
      const event = wireEvent();
      await post(ports.producer, event);
      assert.ok(await isStored(event.event_id));
    };
    collector.answer = (response) => response.writeHead(400).end('{}');
    for (const wanted of [1, 2, 3]) {
      await sendOne();
      await until('spans were refused', () => collector.requests >= wanted);
    }
    await until('it is said', () => lines('cannot be sent to the collector').length === 1);
    collector.answer = (response) => response.end('{}');
    await sendOne();
    await until('its end is said', () => lines('sent to the collector again').length === 1);
    assert.equal(lines('cannot be sent to the collector').length, 1);
    // Now it accepts requests and never answers.
    collector.answer = () => {};
    const requests = collector.requests;
    await sendOne();
    await until('a request hangs', () => collector.requests > requests);
    await sendOne();
    const stopping = performance.now();
    assert.equal(await service.kill('SIGTERM'), 0);
    assert.ok(performance.now() - stopping < 7000);
  });
});
