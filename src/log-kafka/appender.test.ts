import assert from 'node:assert/strict';
import { it } from 'node:test';
import { KafkaAppender } from './appender.ts';
import { KafkaCluster } from './cluster.ts';
import { KafkaSender } from './sender.ts';

it('a partition that takes no append holds up the others for a moment only when the topic grows [G10]', async (t) => {
  let partitions = 2;
  const layout = () => ({ partitions: Array.from({ length: partitions }, () => ({})) }) as never;
  t.mock.method(KafkaCluster.prototype, 'layout', async () => layout());
  t.mock.getter(KafkaCluster.prototype, 'known', layout);
  t.mock.method(KafkaSender.prototype, 'send', (partition: number) =>
    partition === 0
      ? new Promise(() => {})
      : Promise.resolve({ kind: 'appended', baseOffset: partition }),
  );
  const appender = new KafkaAppender({
    bootstrapServers: 'localhost:1',
    topic: 't',
    clientId: 'test',
  });
  t.after(() => appender.close());
  const record = (lane: number) => {
    const keys = Array.from({ length: 100 }, (_, n) => Buffer.from(`key ${n}`));
    const key = keys.find((one) => appender.laneOf(one) === lane) as Buffer;
    return [{ key, value: Buffer.from('x') }];
  };
  await appender.append([{ key: Buffer.from('any'), value: null }].slice(0, 0));
  void appender.append(record(0));
  await appender.append(record(1));
  partitions = 3;
  await appender.append(record(1));
  assert.equal(appender.lanes, 2, 'the old number is still in use, and still right');
  const started = performance.now();
  await appender.append(record(1));
  assert.ok(performance.now() - started < 500, 'the next one does not wait again');
});
