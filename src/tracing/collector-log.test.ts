import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
import { BatchSpanProcessor, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Logger } from '../runtime/logger.ts';
import { CollectorLog, SPANS_MAX } from './collector-log.ts';

type Exported = Parameters<SpanExporter['export']>;

/** A collector that answers when the test says so, behind a real batching processor. */
function setUp(t: TestContext) {
  const lines: unknown[] = [];
  const clock = { ms: 0 };
  const say = (fields: object, message: string) => void lines.push([message.split(';')[0], fields]);
  const log = new CollectorLog({ warn: say, info: say } as unknown as Logger, () => clock.ms);
  const asked: Exported[] = [];
  const exporter: SpanExporter = {
    export: (...given) => void asked.push(given),
    shutdown: async () => {},
  };
  const batching = new BatchSpanProcessor({
    exporter: log.exporter(exporter),
    maxQueueSize: SPANS_MAX,
    scheduledDelayMillis: 1_000_000,
  });
  t.after(() => batching.shutdown().catch(() => {}));
  const tracer = new TracerProvider({ spanProcessors: [log.processor(batching)] }).getTracer('t');
  const end = (spans: number) => {
    for (let i = 0; i < spans; i++) tracer.startSpan('s').end();
  };
  /** The collector answers all that it was sent. */
  const answer = (code: 0 | 1) => {
    for (const [, done] of asked.splice(0)) {
      done(code === 0 ? { code } : { code, error: new Error('no') });
    }
  };
  const flush = () => void batching.forceFlush().catch(() => {});
  return { lines, clock, end, answer, flush, asked };
}

const LOST = 'Traces cannot be sent to the collector';
const AGAIN = 'Traces are sent to the collector again';

it('a collector that refuses is told of once, and then how many spans were lost', (t) => {
  const { lines, end, answer, flush } = setUp(t);
  for (let round = 0; round < 3; round++) {
    end(10);
    flush();
    answer(1);
  }
  end(1);
  flush();
  answer(0);
  assert.deepEqual(lines, [
    [LOST, { reason: 'no' }],
    [AGAIN, { lost_spans: 30 }],
  ]);
});

it('so is one that is too slow: exactly the spans count that found the queue full', (t) => {
  const { lines, clock, end, answer, flush, asked } = setUp(t);
  // The first batch is under way when the queue fills up behind it.
  end(512);
  const underWay = asked.length * 512;
  end(SPANS_MAX - (512 - underWay));
  assert.deepEqual(lines, []);
  end(7);
  assert.deepEqual(lines, [[LOST, { reason: 'More spans end than the collector takes' }]]);
  flush();
  answer(0);
  assert.equal(lines.length, 1, 'it may fill up again at once');
  clock.ms = 10_000;
  end(1);
  flush();
  answer(0);
  assert.deepEqual(lines[1], [AGAIN, { lost_spans: 7 }]);
});
