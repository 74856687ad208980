/** What partitions need; pure. */
import type { PartitionReport } from '../positions/report.ts';
import { LINKS } from './console-links.ts';
import { many, type Need, type OverviewFacts, oldestOf } from './need.ts';

/** A batch that is retried for less than this time often succeeds without anybody. */
const RETRY_GRACE_MS = 60_000;
/** A partition with records to process that has not moved for this time counts as still. */
const STILL_MS = 60_000;

const OF_STATES = {
  stopped: {
    kind: 'partitions_stopped',
    verb: 'stopped',
    next: 'Decide how to continue: the message has the command. The other partitions continue.',
    command: 'npx orderonce positions',
  },
  retrying: {
    kind: 'partitions_retrying',
    verb: 'retrying',
    next: 'Correct the cause in the message. If it began with a deployment, roll that back.',
    command: null,
  },
  unreachable: {
    kind: 'log_unavailable',
    verb: 'unreachable',
    next: 'Start the brokers, or restore the way to them. Consumers then resume without intervention.',
    command: null,
  },
} as const;

/** Partitions in the same state for the same reason are one cause. */
export function ofPartitions({ partitions, nowMs }: OverviewFacts): Need[] {
  const held = partitions.filter(({ state }) => state in OF_STATES);
  const causes = Object.groupBy(held, ({ state, code }) => `${state} ${code}`);
  const needs = Object.values(causes).flatMap((cause): Need[] => {
    const [first] = cause ?? [];
    if (cause === undefined || first === undefined) return [];
    const { kind, verb, next, command } = OF_STATES[first.state as keyof typeof OF_STATES];
    const since = oldestOf(cause.map((one) => one.since));
    const isFresh = since !== null && nowMs - Date.parse(since) < RETRY_GRACE_MS;
    return [
      {
        kind,
        severity: first.state === 'retrying' && isFresh ? 'look' : 'act',
        title: `${cause.length} of ${many(partitions.length, 'partition')} ${verb}: ${first.code}`,
        detail: first.trouble,
        count: cause.length,
        since,
        next,
        command,
        link: LINKS.partitions,
      },
    ];
  });
  return [...needs, ...stillOf(partitions, nowMs)];
}

/** Partitions that have records to process and do not move, though nothing is known to hold them. */
function stillOf(partitions: readonly PartitionReport[], nowMs: number): Need[] {
  const still = partitions.filter(
    ({ state, lag, updated_at: movedAt }) =>
      state === 'fine' && (lag ?? 0) > 0 && nowMs - Date.parse(movedAt) > STILL_MS,
  );
  if (still.length === 0) return [];
  const numbers = still.map(({ partition }) => partition).join(', ');
  return [
    {
      kind: 'partitions_still',
      severity: 'act',
      title: `${many(still.length, 'partition')} with records to process ${still.length === 1 ? 'does' : 'do'} not move`,
      detail: `Partitions: ${numbers}`.slice(0, 500),
      count: still.length,
      since: oldestOf(still.map((one) => one.updated_at)),
      next: 'See whether a consumer owns them and runs. If one does, another deployment may use the same KAFKA_GROUP_ID.',
      command: 'npx orderonce doctor',
      link: LINKS.partitions,
    },
  ];
}
