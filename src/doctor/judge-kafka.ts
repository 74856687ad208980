/** Judges the settings of the topic: what they mean for the guarantees. Pure. */
import { APPEND_BYTES_MAX } from '../ingest/append-queue.ts';
import { type Finding, judgeOf } from './finding.ts';
import type { KafkaFacts } from './kafka-facts.ts';

/** Key, headers and overhead of the record of an event. */
const RECORD_OVERHEAD = 1024;
/** The largest batch that the producer sends. Each of its records has some bytes of overhead. */
const BATCH_BYTES = 1.25 * APPEND_BYTES_MAX;
const DAY_MS = 86_400_000;
/** The check fails when the oldest unprocessed record has used this share of the retention time. */
const SHARE_MAX = 0.8;

const { ok, warn, fail } = judgeOf('kafka');

/**
 * @param oldest the oldest record that is still to be processed.
 * @param eventBytesMax the largest event that the API accepts (EVENT_BYTES_MAX).
 */
export function judgeKafka(
  facts: KafkaFacts,
  oldest: OldestRecord,
  eventBytesMax: number,
): Finding[] {
  return [
    judgeReplication(facts),
    judgeInSync(facts),
    judgeElection(facts),
    judgeCleanup(facts),
    judgeRetention(facts, oldest),
    judgeMessageSize(facts, eventBytesMax + RECORD_OVERHEAD),
    judgePartitions(facts),
  ];
}

/** With one broker, replication is impossible. That is a development set-up, so it only warns. */
const isDevelopment = ({ brokers }: KafkaFacts) => brokers === 1;

function judgeReplication(facts: KafkaFacts): Finding {
  const { brokers, replicas } = facts;
  const found = `${replicas} replicas on ${brokers} brokers`;
  if (replicas >= 3) return ok('replication', found);
  if (isDevelopment(facts)) {
    return warn(
      'replication',
      found,
      'This is enough for development. In production, use three brokers and three replicas',
    );
  }
  const remedy =
    'Reassign the partitions with three replicas, so that the loss of a broker loses no events';
  return replicas < 2 ? fail('replication', found, remedy) : warn('replication', found, remedy);
}

function judgeInSync(facts: KafkaFacts): Finding {
  const { inSync, replicas, withoutLeader, config } = facts;
  const wanted = Number(config['min.insync.replicas'] ?? 1);
  const found = `min.insync.replicas=${wanted}, ${inSync} of ${replicas} in sync`;
  if (withoutLeader.length > 0) {
    const remedy = `Restart the brokers of partitions ${withoutLeader.join(', ')}, which have no leader`;
    return fail('in-sync replicas', found, remedy);
  }
  if (inSync < wanted) {
    return fail(
      'in-sync replicas',
      found,
      'Restart the missing brokers: with too few replicas in sync, the topic accepts no events',
    );
  }
  if (wanted >= 2 && wanted < replicas) return ok('in-sync replicas', found);
  if (isDevelopment(facts)) {
    const remedy =
      'This is enough for development. In production, use min.insync.replicas=2 with 3 replicas';
    return warn('in-sync replicas', found, remedy);
  }
  return wanted < 2
    ? fail(
        'in-sync replicas',
        found,
        'Set min.insync.replicas=2: otherwise an acknowledged event may exist on one broker only',
      )
    : warn(
        'in-sync replicas',
        found,
        'Set min.insync.replicas below the number of replicas: now one missing broker stops the topic',
      );
}

function judgeElection({ config }: KafkaFacts): Finding {
  const value = config['unclean.leader.election.enable'] ?? 'false';
  const found = `unclean.leader.election.enable=${value}`;
  if (value !== 'true') return ok('leader election', found);
  return fail(
    'leader election',
    found,
    'Set it to false: otherwise a lagging replica may become leader, which loses acknowledged events',
  );
}

function judgeCleanup({ config }: KafkaFacts): Finding {
  const policy = config['cleanup.policy'] ?? 'delete';
  const found = `cleanup.policy=${policy}`;
  if (!policy.includes('compact')) return ok('cleanup', found);
  return fail(
    'cleanup',
    found,
    'Set cleanup.policy=delete: compaction removes all events of an order but the last',
  );
}

/** The age of the oldest record that is still to be processed, in ms. */
export type OldestRecord = number | 'none' | 'unknown';

const AGES = {
  none: 'no record to process',
  unknown: 'the age of the oldest record to process is not known',
};

/** @param oldest as of judgeKafka. */
export function judgeRetention({ config }: KafkaFacts, oldest: OldestRecord): Finding {
  const retentionMs = Number(config['retention.ms'] ?? -1);
  const bytes = Number(config['retention.bytes'] ?? -1);
  const age =
    typeof oldest === 'string'
      ? AGES[oldest]
      : `the oldest record to process is ${hours(oldest)} old`;
  const found = `retention.ms=${retentionMs < 0 ? 'unlimited' : hours(retentionMs)}, retention.bytes=${bytes}; ${age}`;
  if (retentionMs >= 0 && typeof oldest === 'number' && oldest > retentionMs * SHARE_MAX) {
    return fail(
      'retention',
      found,
      'Raise retention.ms immediately: events are about to be removed before they are processed',
    );
  }
  if (bytes >= 0) {
    return warn(
      'retention',
      found,
      'Make sure that retention.bytes is far larger than any backlog: it removes even recent events',
    );
  }
  if (retentionMs >= 0 && oldest === 'unknown') {
    return warn(
      'retention',
      found,
      'Run "orderonce doctor" where PostgreSQL and the leaders of all partitions can be reached: unread records may be about to be removed',
    );
  }
  if (retentionMs >= 0 && retentionMs < DAY_MS) {
    return warn(
      'retention',
      found,
      'Raise retention.ms above the age of your oldest backup and the length of your longest outage',
    );
  }
  return ok('retention', found);
}

function judgeMessageSize({ config }: KafkaFacts, recordBytesMin: number): Finding {
  const bytes = Number(config['max.message.bytes'] ?? 1_048_588);
  const found = `max.message.bytes=${bytes}`;
  if (bytes < recordBytesMin) {
    return fail(
      'message size',
      found,
      `Raise it to ${Math.max(1_048_588, recordBytesMin)}: records can have up to ${recordBytesMin} bytes`,
    );
  }
  if (bytes < BATCH_BYTES) {
    return warn(
      'message size',
      found,
      'Raise it to 1048588: now batches are halved until they fit, which lowers throughput',
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
    'Create more partitions: one partition occupies one consumer at most. Partitions added later first wait for the older ones',
  );
}

function hours(ms: number): string {
  return ms < 3_600_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}
