import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { KAFKA, newTopic } from '../../test/support/kafka.ts';
import { until } from '../../test/support/until.ts';
import { KafkaGroup } from './group.ts';

async function join(
  t: TestContext,
  topic: string,
  { revokeMs = 30, sessionTimeoutMs = 1500 } = {},
) {
  const options = { bootstrapServers: KAFKA as string, topic, clientId: 'test' };
  const group = new KafkaGroup({ ...options, groupId: topic, sessionTimeoutMs });
  t.after(() => group.close(1000));
  const assigned: (readonly number[])[] = [];
  await group.join({
    onRevoke: () => sleep(revokeMs),
    onAssign: (partitions) => void assigned.push(partitions),
  });
  await until('it is assigned', () => assigned.length > 0);
  return { group, assigned };
}

if (KAFKA !== undefined) {
  describe('KafkaGroup', () => {
    it('joins again when it is out of the group and nobody said so [G6]', async (t) => {
      const { group, assigned } = await join(t, await newTopic(2));
      // The state after a join failed inside the client's commit(): no event and no heartbeats.
      await group.consumer.leaveGroup();
      const before = assigned.length;
      await until('it is assigned again', () => assigned.length > before);
      assert.deepEqual(assigned.at(-1), [0, 1]);
      assert.equal(group.trouble, null);
    });

    it('joins again after an error of the client, which ends its heartbeats [G6]', async (t) => {
      const { group, assigned } = await join(t, await newTopic(1));
      const before = assigned.length;
      group.consumer.emit('error', new Error('heartbeats have ended'));
      await until('it is assigned again', () => assigned.length > before);
    });

    it('joins once in a rebalance, whatever it sends meanwhile [G10]', async (t) => {
      const topic = await newTopic(6);
      const { group, assigned } = await join(t, topic);
      // Until this one has given up its partitions, the broker answers no JoinGroup of the others.
      await join(t, topic, { revokeMs: 700, sessionTimeoutMs: 3000 });
      const hints = setInterval(() => void group.commitHint(new Map([[0, 0]])), 50);
      t.after(() => clearInterval(hints));
      await join(t, topic);
      let [joins, quietSince] = [assigned.length, performance.now()];
      await until(
        'nobody joins any more',
        () => {
          if (assigned.length !== joins) quietSince = performance.now();
          joins = assigned.length;
          return performance.now() - quietSince > 2000;
        },
        { withinMs: 15_000, everyMs: 50 },
      );
      assert.ok(joins <= 4, `${joins} joins: one, and one for each other member and its session`);
    });

    it('says why it cannot join', async (t) => {
      const options = { bootstrapServers: '127.0.0.1:1', topic: 'none', clientId: 'test' };
      const group = new KafkaGroup({ ...options, groupId: 'none', sessionTimeoutMs: 1500 });
      t.after(() => group.close(1000));
      assert.match(group.trouble ?? '', /has not been joined yet/);
      void group.join({ onRevoke: async () => {}, onAssign: () => {} });
      await until('it says so', () => /cannot be joined: .*ECONNREFUSED/.test(group.trouble ?? ''));
    });
  });
}
