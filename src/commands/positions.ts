/** `orderonce positions` and `orderonce lag`: partition states, and how to resume one. */

import type { LogReader } from '../log/event-log.ts';
import { acceptCut, acceptGap, acceptNewLog } from '../positions/accept.ts';
import { isHeldUp, type PartitionReport, reportPositions, reportsOf } from '../positions/report.ts';
import { eventModelOf } from '../services/event-model.ts';
import { openForeignReaders, openReader } from '../services/open-log.ts';
import type { Pool } from '../store/pool.ts';
import { actorName } from './actor.ts';
import { type Call, EXIT } from './command.ts';
import { ConsumerApi } from './consumer-api.ts';
import { databaseUrlOf, openPool } from './database.ts';
import { snakeCase } from './snake-case.ts';
import { tableOf } from './table.ts';
import { usageError } from './values.ts';

const CLOSE_MS = 1000;

/**
 * @returns the exit code: 1 if `list` shows a partition that is stopped, retrying or unreachable.
 * @throws POSITION_NOT_IN_TROUBLE if there is nothing of this kind to accept.
 */
export async function runPositions(call: Call): Promise<number> {
  const { action, words, out } = call;
  if (action === 'list') return await list(call);
  return await withLogs(call, async (readers, pool) => {
    const reader = readerOf(call, readers);
    const { line, result } = await accept(call, action ?? '', words[0], { reader, pool });
    out.data(line, snakeCase(result));
    return EXIT.ok;
  });
}

/** Shown for numbers that the log cannot tell now. */
const UNKNOWN = '?';

/**
 * Prints a line per partition, and the sum.
 * @returns the exit code: 0 whatever the lag, 1 if the lag of a partition is not known.
 */
export async function runLag(call: Call): Promise<number> {
  const { topics, reports } = await readReports(call);
  const unknown = reports.filter(({ lag }) => lag === null);
  const isKnown = unknown.length === 0;
  const total = reports.reduce((sum, { lag }) => sum + (lag ?? 0), 0);
  const rows = reports.map(({ topic, partition, position, log_end, lag }) => [
    nameOf({ topic, partition }),
    position,
    log_end ?? UNKNOWN,
    lag ?? UNKNOWN,
  ]);
  const lines = [
    tableOf(['partition', 'position', 'log end', 'lag'], rows),
    `${total} records of ${topics} are still to be processed`,
    ...unknown.map(
      ({ topic, partition, trouble }) =>
        `Partition ${nameOf({ topic, partition })} is not counted: ${trouble}`,
    ),
  ];
  const partitions = reports.map(({ topic, partition, lag }) =>
    topic === undefined ? { partition, lag } : { topic, partition, lag },
  );
  call.out.data(lines.join('\n'), { topic: topics, total, partitions });
  return isKnown ? EXIT.ok : EXIT.failed;
}

async function list(call: Call): Promise<number> {
  const { topics, reports } = await readReports(call);
  call.out.data(reportsText(reports), { topic: topics, partitions: reports });
  return reports.some(isHeldUp) ? EXIT.failed : EXIT.ok;
}

type Reports = { readonly topics: string; readonly reports: readonly PartitionReport[] };

/** From the log and PostgreSQL; with --url what a consumer tells. */
async function readReports(call: Call): Promise<Reports> {
  const { settings, flags } = call;
  if (flags.url === undefined) {
    return await withLogs(call, async (readers, pool) => ({
      topics: namesOf(readers),
      reports: await reportsOf(readers, (reader) => reportPositions(reader, pool)),
    }));
  }
  const api = new ConsumerApi(settings, flags.url);
  const { items: reports } = await api.get<{ items: readonly PartitionReport[] }>('/positions');
  const asked = await api.ask();
  return { topics: asked?.topic ?? '', reports };
}

function reportsText(reports: readonly PartitionReport[]): string {
  const header = [
    'partition',
    'log',
    'position',
    'log holds',
    'lag',
    'state',
    'since',
    'failed attempts',
    'moved at',
  ];
  const rows = reports.map((report) => [
    nameOf(report),
    report.log_id,
    report.position,
    report.log_end === null ? UNKNOWN : `${report.log_start}..${report.log_end}`,
    report.lag ?? UNKNOWN,
    report.state,
    report.since ?? '',
    report.attempts ?? '',
    report.updated_at,
  ]);
  const troubles = reports.flatMap(({ topic, partition, trouble, reported_at: at }) => {
    if (trouble === null) return [];
    return [
      `Partition ${nameOf({ topic, partition })}: ${trouble}${at === null ? '' : ` (as of ${at})`}`,
    ];
  });
  return [tableOf(header, rows), ...troubles].join('\n');
}

async function accept(
  { settings, flags }: Call,
  action: string,
  partition: string | undefined,
  parts: { readonly reader: LogReader; readonly pool: Pool },
): Promise<{ result: object; line: string }> {
  const { reason = '' } = flags;
  const { rules } = await eventModelOf(settings);
  const context = { ...parts, rules, reason, actor: actorName() };
  if (action === 'accept-new-log') {
    const result = await acceptNewLog(context);
    const line = `${result.partitions} partitions resume at the start of the new topic`;
    return { result, line };
  }
  if (!/^\d{1,6}$/.test(partition ?? ''))
    throw usageError(`${action} needs the number of a partition`);
  const number = Number(partition);
  if (action === 'accept-gap') {
    const result = await acceptGap(context, number);
    const line = `Partition ${number} resumes at offset ${result.to}; offsets ${result.from} to ${result.to - 1} are given up`;
    return { result, line };
  }
  const result = await acceptCut(context, number);
  const line = `Partition ${number} resumes at offset ${result.at}, where the log first differs; from there on it is log ${result.logId}`;
  return { result, line };
}

const namesOf = (readers: readonly LogReader[]) => readers.map(({ topic }) => topic).join(', ');

/** A partition as the tables show it: with its topic if there are several. */
function nameOf({ topic, partition }: { topic?: string | undefined; partition: number }) {
  return topic === undefined ? partition : `${topic}/${partition}`;
}

/**
 * @returns the reader of --topic, which may be left out if there is only one topic.
 * @throws SETTING_INVALID
 */
function readerOf({ flags }: Call, readers: readonly [LogReader, ...LogReader[]]): LogReader {
  if (flags.topic === undefined && readers.length === 1) return readers[0];
  const reader = readers.find(({ topic }) => topic === flags.topic);
  if (reader !== undefined) return reader;
  throw usageError(`--topic must be one of ${namesOf(readers)}`);
}

async function withLogs<T>(
  { settings }: Call,
  work: (readers: readonly [LogReader, ...LogReader[]], pool: Pool) => Promise<T>,
): Promise<T> {
  const pool = openPool(await databaseUrlOf(settings), 'orderonce-positions');
  const foreign = await openForeignReaders(settings);
  const readers = [await openReader(settings, () => pool), ...foreign] as const;
  try {
    return await work(readers, pool);
  } finally {
    await Promise.all(readers.map((reader) => reader.close(CLOSE_MS)));
    await pool.end();
  }
}
