/** `orderonce positions` and `orderonce lag`: partition states, and how to resume one. */

import type { LogReader } from '../log/event-log.ts';
import { acceptCut, acceptGap, acceptNewLog } from '../positions/accept.ts';
import { isHeldUp, type PartitionReport, reportPositions } from '../positions/report.ts';
import { eventModelOf } from '../services/event-model.ts';
import { openReader } from '../services/open-log.ts';
import type { Pool } from '../store/pool.ts';
import { actorName } from './actor.ts';
import { type Call, EXIT } from './command.ts';
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
  return await withLog(call, async (reader, pool) => {
    if (action === 'list') return await list(call, reader, pool);
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
  return await withLog(call, async (reader, pool) => {
    const reports = await reportPositions(reader, pool);
    const unknown = reports.filter(({ lag }) => lag === null);
    const isKnown = unknown.length === 0;
    const total = reports.reduce((sum, { lag }) => sum + (lag ?? 0), 0);
    const rows = reports.map(({ partition, position, log_end, lag }) => [
      partition,
      position,
      log_end ?? UNKNOWN,
      lag ?? UNKNOWN,
    ]);
    const lines = [
      tableOf(['partition', 'position', 'log end', 'lag'], rows),
      `${total} records of ${reader.topic} are still to be processed`,
      ...unknown.map(
        ({ partition, trouble }) => `Partition ${partition} is not counted: ${trouble}`,
      ),
    ];
    const partitions = reports.map(({ partition, lag }) => ({ partition, lag }));
    call.out.data(lines.join('\n'), { topic: reader.topic, total, partitions });
    return isKnown ? EXIT.ok : EXIT.failed;
  });
}

async function list({ out }: Call, reader: LogReader, pool: Pool): Promise<number> {
  const reports = await reportPositions(reader, pool);
  out.data(reportsText(reports), { topic: reader.topic, partitions: reports });
  return reports.some(isHeldUp) ? EXIT.failed : EXIT.ok;
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
    report.partition,
    report.log_id,
    report.position,
    report.log_end === null ? UNKNOWN : `${report.log_start}..${report.log_end}`,
    report.lag ?? UNKNOWN,
    report.state,
    report.since ?? '',
    report.attempts ?? '',
    report.updated_at,
  ]);
  const troubles = reports.flatMap(({ partition, trouble, reported_at: at }) => {
    if (trouble === null) return [];
    return [`Partition ${partition}: ${trouble}${at === null ? '' : ` (as of ${at})`}`];
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

async function withLog(
  { settings }: Call,
  work: (reader: LogReader, pool: Pool) => Promise<number>,
): Promise<number> {
  const pool = openPool(await databaseUrlOf(settings), 'orderonce-positions');
  const reader = openReader(settings, () => pool);
  try {
    return await work(reader, pool);
  } finally {
    await reader.close(CLOSE_MS);
    await pool.end();
  }
}
