import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Registry } from 'prom-client';
import type { PartitionStatus } from './consumer.ts';
import { addPartitionGauges, ageOf, PARTITIONS_SHOWN_MAX } from './partition-gauges.ts';

const NOW = Date.UTC(2026, 0, 2);

function statusOf(partition: number, more: Partial<PartitionStatus> = {}): PartitionStatus {
  const since = new Date(NOW).toISOString();
  return { partition, next_offset: 10, state: 'running', since, ...more };
}

async function samples(partitions: PartitionStatus[], ends: Map<number, number> | null) {
  const registry = new Registry();
  let asked = 0;
  const source = {
    partitions: () => partitions,
    ends: async () => {
      asked++;
      if (ends === null) throw new Error('The log does not answer');
      return ends;
    },
  };
  addPartitionGauges([registry], [source]);
  const text = await registry.metrics();
  const lines = text.split('\n').filter((line) => line.startsWith('orderonce_'));
  return { lines, asked };
}

describe('The gauges of partitions', () => {
  it('give the age of the first record that waits; 0 if none does, nothing if it is not known', () => {
    const oldest_at = new Date(NOW - 4000).toISOString();
    const partitions = [
      statusOf(0, { oldest_at }),
      statusOf(1),
      statusOf(2),
      statusOf(3),
      statusOf(4, { oldest_at: new Date(NOW + 4000).toISOString() }),
    ];
    // Of partition 2 records wait that have not been fetched, and partition 3 has no leader.
    const ends = new Map([
      [1, 10],
      [2, 12],
      [4, 11],
    ]);
    assert.deepEqual(
      [...ageOf(partitions, ends, NOW)],
      [
        [0, 4],
        [1, 0],
        [4, 0],
      ],
    );
  });

  it('ask the log once for each scrape, and show no lag while it does not answer', async () => {
    const well = await samples([statusOf(0)], new Map([[0, 13]]));
    assert.ok(well.lines.includes('orderonce_lag_records{partition="0"} 3'));
    assert.equal(well.asked, 1);
    const away = await samples([statusOf(0)], null);
    assert.deepEqual(
      away.lines.filter((line) => line.includes('_lag_')),
      [],
    );
    assert.ok(away.lines.includes('orderonce_position{partition="0"} 10'));
  });

  it('show one series for all partitions of a process that has very many', async () => {
    const many = Array.from({ length: PARTITIONS_SHOWN_MAX + 1 }, (_, p) =>
      statusOf(p, p === 7 ? { state: 'retrying', attempts: 3, code: 'HANDLER_FAILS' } : {}),
    );
    const { lines } = await samples(many, new Map(many.map(({ partition }) => [partition, 12])));
    assert.deepEqual(
      lines.filter((line) => !line.includes('trouble')),
      [
        `orderonce_position{partition="all"} ${10 * many.length}`,
        'orderonce_partition_running{partition="all"} 0',
        'orderonce_partition_failed_attempts{partition="all"} 3',
        `orderonce_lag_records{partition="all"} ${2 * many.length}`,
      ],
    );
  });
});
