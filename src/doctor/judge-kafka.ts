/** What the settings of the topic mean for the guarantees. Pure. */
import { type Finding, judgeOf } from './finding.ts';
import type { KafkaFacts } from './kafka-facts.ts';

/** The API's body limit, with the record's own overhead. */
const RECORD_BYTES_MIN = 70_000;
/** The largest batch that the producer makes. */
const BATCH_BYTES = 640 * 1024;
const DAY_MS = 86_400_000;
/** Of the retention that the oldest unprocessed record has used up. */
const SHARE_MAX = 0.8;

const { ok, warn, fail } = judgeOf('kafka');

/** @param oldestMs age of the oldest record that is not processed yet; null where there is none. */
export function judgeKafka(facts: KafkaFacts, oldestMs: number | null): Finding[] {
  return [
    judgeReplication(facts),
    judgeInSync(facts),
    judgeElection(facts),
    judgeCleanup(facts),
    judgeRetention(facts, oldestMs),
    judgeMessageSize(facts),
    judgePartitions(facts),
  ];
}

/** One broker is a development set-up: what follows from it is no fault of its own. */
const isDevelopment = ({ brokers }: KafkaFacts) => brokers === 1;

function judgeReplication(facts: KafkaFacts): Finding {
  const { brokers, replicas } = facts;
  const found = `${replicas} replicas on ${brokers} brokers`;
  if (replicas >= 3) return ok('replication', found);
  if (isDevelopment(facts)) {
    return warn(
      'replication',
      found,
      'Fit for development. In production: three brokers and replicas',
    );
  }
  const remedy =
    'Reassign the partitions with three replicas: one broker lost must not lose events';
  return replicas < 2 ? fail('replication', found, remedy) : warn('replication', found, remedy);
}

function judgeInSync(facts: KafkaFacts): Finding {
  const { inSync, replicas, withoutLeader, config } = facts;
  const wanted = Number(config['min.insync.replicas'] ?? 1);
  const found = `min.insync.replicas=${wanted}, ${inSync} of ${replicas} in sync`;
  if (withoutLeader.length > 0) {
    const remedy = `Bring the brokers of partitions ${withoutLeader.join(', ')} back: they have no leader`;
    return fail('in-sync replicas', found, remedy);
  }
  if (inSync < wanted) {
    return fail(
      'in-sync replicas',
      found,
      'Too few replicas are in sync: the topic takes no events now',
    );
  }
  if (wanted >= 2 && wanted < replicas) return ok('in-sync replicas', found);
  if (isDevelopment(facts)) {
    return warn('in-sync replicas', found, 'Fit for development. In production: 2 of 3 replicas');
  }
  return wanted < 2
    ? fail(
        'in-sync replicas',
        found,
        'Set min.insync.replicas=2: an acknowledged event may lie on one broker only',
      )
    : warn(
        'in-sync replicas',
        found,
        'With as many as replicas, one broker that is away stops the topic',
      );
}

function judgeElection({ config }: KafkaFacts): Finding {
  const value = config['unclean.leader.election.enable'] ?? 'false';
  const found = `unclean.leader.election.enable=${value}`;
  if (value !== 'true') return ok('leader election', found);
  return fail(
    'leader election',
    found,
    'Set it to false: a replica that lags may become leader, and acknowledged events are cut off',
  );
}

function judgeCleanup({ config }: KafkaFacts): Finding {
  const policy = config['cleanup.policy'] ?? 'delete';
  const found = `cleanup.policy=${policy}`;
  if (!policy.includes('compact')) return ok('cleanup', found);
  return fail(
    'cleanup',
    found,
    'Set cleanup.policy=delete: compaction keeps only the last event of each order',
  );
}

function judgeRetention({ config }: KafkaFacts, oldestMs: number | null): Finding {
  const retentionMs = Number(config['retention.ms'] ?? -1);
  const bytes = Number(config['retention.bytes'] ?? -1);
  const age = oldestMs === null ? 'nothing waits' : `the oldest waits ${hours(oldestMs)}`;
  const found = `retention.ms=${retentionMs < 0 ? 'unlimited' : hours(retentionMs)}, retention.bytes=${bytes}; ${age}`;
  if (retentionMs >= 0 && oldestMs !== null && oldestMs > retentionMs * SHARE_MAX) {
    return fail(
      'retention',
      found,
      'Raise retention.ms at once: events are about to be removed unprocessed',
    );
  }
  if (bytes >= 0) {
    return warn(
      'retention',
      found,
      'A limit in bytes may remove events however young: make sure that it is far beyond any backlog',
    );
  }
  if (retentionMs >= 0 && retentionMs < DAY_MS) {
    return warn(
      'retention',
      found,
      'Keep records longer than your oldest backup and your longest outage',
    );
  }
  return ok('retention', found);
}

function judgeMessageSize({ config }: KafkaFacts): Finding {
  const bytes = Number(config['max.message.bytes'] ?? 1_048_588);
  const found = `max.message.bytes=${bytes}`;
  if (bytes < RECORD_BYTES_MIN) {
    return fail(
      'message size',
      found,
      `Raise it to 1048588: events of up to ${RECORD_BYTES_MIN} bytes are accepted`,
    );
  }
  if (bytes < BATCH_BYTES) {
    return warn(
      'message size',
      found,
      'Raise it to 1048588: batches are halved until they fit, which costs throughput',
    );
  }
  return ok('message size', found);
}

function judgePartitions({ partitions }: KafkaFacts): Finding {
  const found = `${partitions} partitions`;
  if (partitions > 1) return ok('partitions', found);
  return warn(
    'partitions',
    found,
    'One partition is one consumer at most; adding some later makes new ones wait once',
  );
}

function hours(ms: number): string {
  return ms < 3_600_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}
