/** What is recorded, from the functions that the services call, with a real SDK and no collector. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import * as api from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  InMemorySpanExporter,
  SimpleSpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { recordOf, wireEvent } from '../../test/support/events.ts';
import { OrderonceError } from '../errors.ts';
import type { AppendRecord, LogRecord, LogSlice } from '../log/event-log.ts';
import { logRecord } from '../log/log-record.ts';
import { contextIn, spanIdOf, traceHeaders, traceIdOf } from '../log/trace-context.ts';
import { consumerSpans } from './consumer-spans.ts';
import { producerSpans } from './producer-spans.ts';
import { Spans } from './spans.ts';
import {
  inAppend,
  inHandler,
  inPhase,
  inProcess,
  inPublish,
  inRedrive,
  setRecorder,
} from './tracing.ts';

const PARENT = '00f067aa0ba902b7';
const traceId = (n: number) => n.toString(16).padStart(32, '0');
const contextOf = (n: number, flags = '01') => ({
  traceparent: `00-${traceId(n)}-${PARENT}-${flags}`,
  tracestate: null,
});
const NOTHING = { duplicates: [], conflicts: [], deadLetters: [] };

const exporter = new InMemorySpanExporter();
api.trace.setGlobalTracerProvider(
  new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }),
);
api.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());

/** Records until the test ends. */
function record(t: TestContext, ratio = 0) {
  exporter.reset();
  const spans = new Spans({ api, ratio, system: 'kafka', group: 'g', database: 'shop' });
  setRecorder({ ...producerSpans(spans), ...consumerSpans(spans) });
  t.after(() => setRecorder(null));
  const all = () => exporter.getFinishedSpans();
  return { all, named: (name: string) => all().filter((span) => span.name === name) };
}

function recordWith(offset: number, trace: number | null, flags = '01'): LogRecord {
  const headers = traceHeaders(trace === null ? null : contextOf(trace, flags));
  return logRecord({ ...recordOf(offset, wireEvent()), headers });
}

function sliceOf(records: readonly LogRecord[]): LogSlice {
  const next = records.length;
  return { partition: 0, from: 0, next, records, gaps: [], leaderEpoch: 0 };
}

const toAppend = (trace: number | null): AppendRecord => ({
  key: Buffer.from('k'),
  value: Buffer.from('v'),
  headers: [
    [Buffer.from('id'), Buffer.from('1')],
    ...traceHeaders(trace === null ? null : contextOf(trace)),
  ],
});

describe('inProcess', () => {
  it('makes no span for records that nobody samples', async (t) => {
    const { all } = record(t);
    const records = [recordWith(0, null), recordWith(1, 7, '00')];
    const settled = await inProcess('orders', [sliceOf(records)], async () => {
      await inPhase('fence', async () => {});
      return await inHandler('h', async () => NOTHING);
    });
    assert.equal(settled, NOTHING);
    assert.deepEqual(all(), []);
  });

  it('begins a trace of its own by the ratio where no record is sampled', async (t) => {
    const { named } = record(t, 1);
    await inProcess('orders', [sliceOf([recordWith(0, null)])], async () => NOTHING);
    const [span] = named('process orders');
    assert.equal(span?.parentSpanContext, undefined);
    assert.equal(span?.attributes['messaging.batch.message_count'], 1);
  });

  it('links the sampled ones of several traces, and ends each of them with its outcome', async (t) => {
    const { named } = record(t);
    const records = [1, 2, 3, 4, 5, 6].map((n) => recordWith(n - 1, n, n === 6 ? '00' : '01'));
    const [, second, third, fourth] = records as [LogRecord, LogRecord, LogRecord, LogRecord];
    await inProcess('orders', [sliceOf(records)], async () => ({
      duplicates: [{ event: { record: second } }],
      conflicts: [{ event: { record: third } }],
      deadLetters: [{ record: fourth, state: 'waiting' as const }],
      next: 4,
    }));
    const [span] = named('process orders');
    assert.equal(span?.parentSpanContext, undefined);
    assert.deepEqual(
      span?.links.map(({ context }) => context.traceId),
      [1, 2, 3, 4, 5].map(traceId),
    );
    const outcomes = ['stored', 'duplicate', 'conflict', 'waiting'];
    for (const [i, outcome] of outcomes.entries()) {
      const [end] = named(`${outcome} orders`);
      assert.equal(end?.spanContext().traceId, traceId(i + 1));
      assert.equal(end?.parentSpanContext?.spanId, PARENT);
      assert.equal(end?.attributes['orderonce.outcome'], outcome);
      assert.equal(end?.links[0]?.context.spanId, span?.spanContext().spanId);
    }
    assert.equal(named('stored orders').length, 1, 'offset 4 was not settled');
  });

  it('has one span for all events of a request, and no more than 128 links', async (t) => {
    const { named } = record(t);
    const records = Array.from({ length: 400 }, (_, i) => recordWith(i, i < 200 ? 1 : i));
    await inProcess('orders', [sliceOf(records)], async () => NOTHING);
    assert.equal(named('process orders')[0]?.links.length, 128);
    const ends = named('stored orders');
    assert.equal(ends.length, 128);
    assert.equal(ends[0]?.attributes['messaging.batch.message_count'], 200);
  });

  it('says why it failed by its code, without the message, and ends no trace', async (t) => {
    const { all, named } = record(t);
    const failing = inProcess('orders', [sliceOf([recordWith(0, 1)])], () =>
      inPhase('commit', async () => {
        throw new OrderonceError('POSITION_MOVED', 'about user-42');
      }),
    );
    await assert.rejects(failing, /user-42/);
    const [span] = named('process orders');
    assert.equal(span?.attributes['error.type'], 'POSITION_MOVED');
    assert.equal(all().length, 2);
    assert.ok(
      !JSON.stringify(all().map(({ attributes, status }) => [attributes, status])).includes(
        'user-42',
      ),
    );
  });

  it('lets what handlers record nest in their span, and phases outside of it have none', async (t) => {
    const { all, named } = record(t);
    await inPhase('commit', async () => {});
    assert.deepEqual(all(), []);
    await inProcess('orders', [sliceOf([recordWith(0, 1)])], () =>
      inPhase('settle', () =>
        inHandler('charge', async () => {
          api.trace.getTracer('team').startSpan('card').end();
          return NOTHING;
        }),
      ),
    );
    const idOf = (name: string) => named(name)[0]?.spanContext().spanId;
    assert.equal(named('card')[0]?.parentSpanContext?.spanId, idOf('handler charge'));
    assert.equal(named('handler charge')[0]?.parentSpanContext?.spanId, idOf('settle'));
    assert.equal(named('settle')[0]?.attributes['db.namespace'], 'shop');
  });
});

describe('inAppend', () => {
  it('belongs to the only trace, or links several', async (t) => {
    const { all, named } = record(t);
    await inAppend('orders', [toAppend(null)], async () => {});
    assert.deepEqual(all(), []);
    await inAppend('orders', [toAppend(1), toAppend(null), toAppend(1)], async () => {});
    await inAppend('orders', [toAppend(1), toAppend(2)], async () => {});
    const [one, two] = named('append orders');
    assert.equal(one?.parentSpanContext?.traceId, traceId(1));
    assert.equal(two?.links.length, 2);
    assert.equal(two?.kind, api.SpanKind.CLIENT);
  });
});

describe('inPublish', () => {
  it('gives each sampled message a span in its trace, which the message carries on', async (t) => {
    const { named } = record(t);
    const records = [toAppend(1), toAppend(null), toAppend(2)];
    let given: readonly AppendRecord[] = [];
    const refusal = new OrderonceError('RECORD_TOO_LARGE', 'no');
    await inPublish('done', records, async (some) => {
      given = some;
      return [{ partition: 3, offset: 9 }, { partition: 3, offset: 10 }, refusal];
    });
    const [first, second] = named('send done');
    assert.equal(first?.attributes['kafka.offset'], 9);
    assert.equal(second?.attributes['error.type'], 'RECORD_TOO_LARGE');
    assert.equal(given[1], records[1]);
    const carried = contextIn(given[0]?.headers ?? []);
    assert.ok(carried !== null);
    assert.equal(traceIdOf(carried), traceId(1));
    assert.equal(spanIdOf(carried), first?.spanContext().spanId);
    assert.equal(given[0]?.headers?.length, 2, 'the old context is gone, the other header stays');
  });
});

describe('inRedrive', () => {
  it('links the original, and tells the result', async (t) => {
    const { all, named } = record(t);
    await inRedrive(recordWith(0, null), async () => ({ outcome: 'stored' }));
    assert.deepEqual(all(), []);
    await inRedrive(recordWith(0, 1), async () => ({ outcome: 'failed' }));
    const [span] = named('redrive');
    assert.equal(span?.parentSpanContext, undefined);
    assert.equal(span?.links[0]?.context.traceId, traceId(1));
    assert.equal(span?.attributes['orderonce.outcome'], 'failed');
  });
});
