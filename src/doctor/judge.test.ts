import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EVENT_BYTES_DEFAULT } from '../event/event-rules.ts';
import type { DatabaseFacts } from '../store/database-facts.ts';
import type { Finding } from './finding.ts';
import { judgeDatabase } from './judge-database.ts';
import { judgeKafka, type OldestRecord } from './judge-kafka.ts';
import type { KafkaFacts } from './kafka-facts.ts';

const CLUSTER: KafkaFacts = {
  brokers: 3,
  partitions: 6,
  replicas: 3,
  inSync: 3,
  withoutLeader: [],
  config: {
    'min.insync.replicas': '2',
    'unclean.leader.election.enable': 'false',
    'cleanup.policy': 'delete',
    'retention.ms': '604800000',
    'retention.bytes': '-1',
    'max.message.bytes': '1048588',
  },
};

const DATABASE: DatabaseFacts = {
  version: 18,
  isReplica: false,
  encoding: 'UTF8',
  schema: 'public',
  searchPath: ['public'],
  settings: { fsync: 'on', full_page_writes: 'on', synchronous_commit: 'on' },
  missingRights: [],
  onlyReads: false,
  clockSkewMs: 3,
  connectionsFree: 90,
};

const notOk = (findings: Finding[]) =>
  findings
    .filter(({ verdict }) => verdict !== 'ok')
    .map(({ check, verdict }) => `${verdict} ${check}`);

const withConfig = (config: Record<string, string>): KafkaFacts => ({
  ...CLUSTER,
  config: { ...CLUSTER.config, ...config },
});

describe('judgeKafka', () => {
  it('finds nothing in a sound cluster', () => {
    assert.deepEqual(notOk(judgeKafka(CLUSTER, 60_000, EVENT_BYTES_DEFAULT)), []);
  });

  it('warns of what is merely a development set-up, instead of failing', () => {
    const single = { ...CLUSTER, brokers: 1, replicas: 1, inSync: 1, partitions: 1 };
    const facts = { ...single, config: { ...CLUSTER.config, 'min.insync.replicas': '1' } };
    assert.deepEqual(notOk(judgeKafka(facts, 'none', EVENT_BYTES_DEFAULT)), [
      'warn replication',
      'warn in-sync replicas',
      'warn partitions',
    ]);
  });

  const HOUR = 3_600_000;
  const cases: [what: string, facts: KafkaFacts, oldest: OldestRecord, finding: string][] = [
    ['one replica', { ...CLUSTER, replicas: 1, inSync: 1 }, 'none', 'fail replication'],
    ['two replicas', { ...CLUSTER, replicas: 2, inSync: 2 }, 'none', 'warn replication'],
    [
      'a partition without leader',
      { ...CLUSTER, withoutLeader: [3] },
      'none',
      'fail in-sync replicas',
    ],
    ['too few in sync', { ...CLUSTER, inSync: 1 }, 'none', 'fail in-sync replicas'],
    [
      'one in sync is enough',
      withConfig({ 'min.insync.replicas': '1' }),
      'none',
      'fail in-sync replicas',
    ],
    [
      'all must be in sync',
      withConfig({ 'min.insync.replicas': '3' }),
      'none',
      'warn in-sync replicas',
    ],
    [
      'unclean elections',
      withConfig({ 'unclean.leader.election.enable': 'true' }),
      'none',
      'fail leader election',
    ],
    ['compaction', withConfig({ 'cleanup.policy': 'compact,delete' }), 'none', 'fail cleanup'],
    [
      'retention about to pass',
      withConfig({ 'retention.ms': `${10 * HOUR}` }),
      9 * HOUR,
      'fail retention',
    ],
    ['short retention', withConfig({ 'retention.ms': `${HOUR}` }), 'none', 'warn retention'],
    ['an unread partition', CLUSTER, 'unknown', 'warn retention'],
    ['retention by size', withConfig({ 'retention.bytes': '1000000' }), 'none', 'warn retention'],
    ['records too small', withConfig({ 'max.message.bytes': '1000' }), 'none', 'fail message size'],
    [
      'batches too small',
      withConfig({ 'max.message.bytes': '100000' }),
      'none',
      'warn message size',
    ],
  ];
  for (const [what, facts, oldest, finding] of cases) {
    it(`says of ${what}: ${finding}`, () => {
      const findings = judgeKafka(facts, oldest, EVENT_BYTES_DEFAULT);
      assert.ok(notOk(findings).includes(finding), notOk(findings).join());
      assert.ok(findings.every(({ verdict, remedy }) => verdict === 'ok' || remedy !== undefined));
    });
  }
});

describe('judgeDatabase', () => {
  it('finds nothing in a sound server', () => {
    assert.deepEqual(notOk(judgeDatabase(DATABASE)), []);
  });

  const cases: [facts: Partial<DatabaseFacts>, finding: string][] = [
    [{ version: 12 }, 'fail version'],
    [{ version: 14 }, 'warn version'],
    [{ isReplica: true }, 'fail role'],
    [{ encoding: 'SQL_ASCII' }, 'fail encoding'],
    [{ schema: 'orderonce', searchPath: ['orderonce', 'public'] }, 'warn schema'],
    [{ settings: { ...DATABASE.settings, fsync: 'off' } }, 'fail fsync'],
    [{ settings: { ...DATABASE.settings, full_page_writes: 'off' } }, 'fail full_page_writes'],
    [{ settings: { ...DATABASE.settings, synchronous_commit: 'off' } }, 'warn synchronous_commit'],
    [{ missingRights: ['SELECT on orders'] }, 'fail rights'],
    [{ clockSkewMs: -2000 }, 'warn clock'],
    [{ clockSkewMs: 90_000 }, 'fail clock'],
    [{ connectionsFree: 3 }, 'warn connections'],
  ];
  for (const [facts, finding] of cases) {
    it(`says of ${JSON.stringify(facts)}: ${finding}`, () => {
      assert.deepEqual(notOk(judgeDatabase({ ...DATABASE, ...facts })), [finding]);
    });
  }
});
