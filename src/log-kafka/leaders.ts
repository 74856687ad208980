/** Checks that the leaders of the partitions answer at the addresses that they advertise. */
import { reasonOf } from '../errors.ts';
import type { KafkaCluster } from './cluster.ts';
import type { TopicLayout } from './topic-layout.ts';

export type FailingLeader = {
  /** The partitions that the broker leads, or those without a leader. */
  readonly partitions: readonly number[];
  readonly reason: string;
};

const ANSWER_MS = 1500;

/** @returns what fails, by broker; by null for partitions without a leader. Empty if all answer. */
export async function failingLeaders(
  cluster: KafkaCluster,
  layout: TopicLayout,
): Promise<ReadonlyMap<number | null, FailingLeader>> {
  const numbers = [...layout.partitions.keys()];
  const byLeader = Map.groupBy(
    numbers,
    (partition) => layout.partitions[partition]?.leader ?? null,
  );
  const failing = new Map<number | null, FailingLeader>();
  const asked = [...byLeader].map(async ([leader, partitions]) => {
    try {
      if (leader === null) throw new Error('no broker leads it');
      // Any request shows that the broker answers; this one needs no rights.
      const request = { api: 'ApiVersions', args: () => ['orderonce', '1'], deadlineMs: ANSWER_MS };
      await cluster.call(leader, 'check', request);
    } catch (error) {
      failing.set(leader, { partitions, reason: reasonOf(error) });
    }
  });
  await Promise.all(asked);
  return failing;
}

/** The failures as messages for health pages. */
export function describeFailing(failing: ReadonlyMap<number | null, FailingLeader>): string[] {
  return [...failing].map(([leader, { partitions, reason }]) => {
    const which = `Partition${partitions.length === 1 ? '' : 's'} ${partitions.join(', ')}`;
    if (leader === null) return `${which} ${partitions.length === 1 ? 'has' : 'have'} no leader`;
    return `${which}: ${reason}`;
  });
}
