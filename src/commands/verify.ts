/** `orderonce verify`: the proof that every record is accounted for, or what contradicts it. */

import { createPool } from '../store/pool.ts';
import { readReceipts } from '../verify/receipts.ts';
import { type Verdict, verify } from '../verify/verify.ts';
import type { Call } from './command.ts';
import { databaseUrlOf } from './database.ts';

/** Of one question over a large database. */
const QUERY_MS = 3_600_000;

export async function runVerify({ settings, flags }: Call): Promise<number> {
  const pool = createPool({
    connectionString: await databaseUrlOf(settings),
    name: 'orderonce-verify',
    connectionsMax: 1,
    queryTimeoutMs: QUERY_MS,
  });
  const started = performance.now();
  try {
    const verdict = await verify(pool, {
      topic: settings.KAFKA_TOPIC,
      receipts: flags.receipts === undefined ? null : readReceipts(flags.receipts),
      onStep: flags.json === true ? () => {} : showProgress,
    });
    const seconds = Number(((performance.now() - started) / 1000).toFixed(1));
    if (flags.json === true) console.log(JSON.stringify({ ...verdict, seconds }));
    else console.log(pageOf(verdict, seconds));
    return verdict.isProven ? 0 : 1;
  } finally {
    await pool.end();
  }
}

function showProgress(done: number, of: number, what: string): void {
  if (!process.stderr.isTTY) return;
  const bar = '█'.repeat(done) + '░'.repeat(of - done);
  process.stderr.write(done === of ? '\r\x1b[K' : `\r\x1b[K${bar} ${what}`);
}

function pageOf(verdict: Verdict, seconds: number): string {
  const { partitions, offsets, rows, receipts, missing, isProven } = verdict;
  const header =
    'partition  start..position  stored  duplicates  conflicts  parked  waiting  discarded  no record';
  const lines = partitions.map((p) =>
    [
      `${p.topic}/${p.partition}`,
      `${p.start}..${p.position}`,
      p.stored,
      p.duplicates,
      p.conflicts,
      p.parked,
      p.waiting,
      p.discarded,
      p.withoutRecord,
    ].join('  '),
  );
  const findings = [
    ...offsets.map(
      (f) =>
        `${f.kind}: log ${f.logId}, partition ${f.partition}, offsets ${f.from} to ${f.to - 1}`,
    ),
    ...rows.map(({ kind, id, message }) => `${kind}: ${id} ${message}`),
    ...missing.map((r) => `missing: ${r.eventId} was accepted at ${r.partition}/${r.offset}`),
  ];
  const ofReceipts = receipts === null ? [] : [`receipts  ${JSON.stringify(receipts)}`];
  const end = isProven
    ? `Proven in ${seconds} s: every offset has exactly one outcome, and effects are what the events add up to.`
    : `NOT proven: ${findings.length} findings above (at most 1000 of each kind are shown).`;
  return [header, ...lines, ...ofReceipts, ...findings, end].join('\n');
}
