/**
 * The steps of the continuous proof. Each examines a part of the tables on one snapshot, notes what
 * it finds, and then how far it is. A step that is cut off is made again.
 *
 * On one snapshot there are no false findings, whatever others do at the same time: each transaction
 * of a consumer and each redrive leaves an account without contradictions, as `verify` finds it.
 */
import type { Logger } from '../runtime/logger.ts';
import { scopeOfPages, scopeOfRanges, scopeOfStrayData } from '../store/account-parts.ts';
import { findOffsetFindings } from '../store/account-queries.ts';
import type { Projection } from '../store/orders-projection.ts';
import type { Pool } from '../store/pool.ts';
import {
  type Finding,
  markVanished,
  noteFindings,
  oldestFindings,
} from '../store/proof-findings.ts';
import {
  endRound,
  lastStep,
  nextStep,
  type PatrolPart,
  type PatrolStep,
  saveStep,
} from '../store/proof-patrol.ts';
import { readByIndexes, readWithoutPlaceIndex } from '../store/proof-plans.ts';
import {
  advanceHead,
  noteHeadProven,
  readSegment,
  readSnapshotTime,
  readUnproven,
  SEGMENT,
  type SegmentPlace,
} from '../store/proof-progress.ts';
import type { Transaction } from '../store/queryable.ts';
import { inSnapshot } from '../store/transaction.ts';
import { examine, parseRange, rangeText, scopeOfSubject } from './examine.ts';
import { advancePass, beginPass, type Pass, planHead } from './head-plan.ts';

export type ProofContext = {
  readonly pool: Pool;
  readonly logger: Logger;
  /** null (ORDERS_PROJECTION=off): the table `orders` is not examined. */
  readonly projection: Projection | null;
  /** The limit of a statement in milliseconds. It is short, so that no snapshot is held for long. */
  readonly statementMs: number;
  /** Which pass of the head this is. Orders with many events take turns by it. */
  readonly turn: number;
};

const LIMITS = { lockMs: 1000, idleMs: 5000 };
/** A search without the index reads the whole table. It is made only before a hole is believed. */
const SEARCH = { lockMs: 1000, statementMs: 120_000, idleMs: 5000 };
const RECHECKED_MAX = 20;
const LINES_MAX = 20;
const CONTRADICTED = 'The account is contradicted: see "orderonce proof"';

const onSnapshot = <T>(
  { pool, statementMs }: ProofContext,
  work: (tx: Transaction) => Promise<T>,
) =>
  inSnapshot(pool, { ...LIMITS, statementMs }, async (tx) => {
    await readByIndexes(tx);
    return await work(tx);
  });

/**
 * Makes a step of the head.
 * @param pass that is under way; null to begin one.
 * @returns the pass; null if it has ended, so that everything up to the positions at which it began
 * is proven, or contradicted by a finding.
 */
export async function stepHead(
  context: ProofContext,
  pass: Pass | null,
  offsetsMax: number,
): Promise<Pass | null> {
  const { pool, projection, turn } = context;
  const step = await onSnapshot(context, async (tx) => {
    const unproven = await readUnproven(tx);
    const begun = pass ?? beginPass(unproven, await readSnapshotTime(tx));
    const { ranges, read } = planHead(begun, unproven, offsetsMax);
    if (read.length === 0) return { begun, ranges: [], findings: [] };
    const { findings, stored } = await examine(tx, scopeOfRanges(read, turn), projection);
    const proven = ranges.map((range) => {
      const sum = stored.find((s) => s.logId === range.logId && s.partition === range.partition);
      return { ...range, stored: sum?.stored ?? 0, digests: sum?.digests ?? '0' };
    });
    return { begun, ranges: proven, findings };
  });
  await note(context, await withoutUnfounded(context, step.findings));
  await advanceHead(pool, step.ranges);
  const after = advancePass(step.begun, step.ranges);
  if (step.ranges.length > 0 && after.targets.size > 0) return after;
  await noteHeadProven(pool, after.at);
  return null;
}

/**
 * Makes a step of the patrol, which visits again what the head has proven, and the rows that belong
 * to no offset.
 * @returns whether the round continues.
 */
export async function stepPatrol(
  context: ProofContext,
  parts: readonly PatrolPart[],
): Promise<boolean> {
  const { pool, projection } = context;
  const found = await onSnapshot(context, async (tx) => {
    const last = await lastStep(tx);
    const step = await nextStep(tx, last, parts);
    if (step === null) return null;
    const findings =
      step.part === 'segments'
        ? await examineSegment(tx, step, projection)
        : (await examine(tx, scopeOfStep(step), projection)).findings;
    return { step, findings, isFirst: last === null };
  });
  if (found === null) {
    await endRound(pool);
    return false;
  }
  await note(context, await withoutUnfounded(context, found.findings));
  await saveStep(pool, found.step, found.isFirst);
  return true;
}

const scopeOfStep = (step: Exclude<PatrolStep, { part: 'segments' }>) =>
  step.part === 'event_data' ? scopeOfStrayData() : scopeOfPages(step.part, step);

/** Examines what the head has proven of a segment, and compares it with what the head saw. */
async function examineSegment(
  tx: Transaction,
  place: SegmentPlace,
  projection: Projection | null,
): Promise<readonly Finding[]> {
  const then = await readSegment(tx, place);
  const { findings, stored } = await examine(tx, scopeOfRanges([then], place.segment), projection);
  const [now = { stored: 0, digests: '0' }] = stored;
  if (now.stored === then.stored && now.digests === then.digests) return findings;
  const from = place.segment * SEGMENT;
  const subject = rangeText({ ...place, from, to: from + SEGMENT });
  const message =
    now.stored === then.stored
      ? 'the events that are stored are not those that were stored when this was proven'
      : `${now.stored} events are stored; ${then.stored} were when this was proven`;
  const evidence = `${now.stored} ${now.digests}`;
  return [...findings, { kind: 'changed', subject, message, evidence }];
}

/** Looks for open findings again, the oldest first, and notes which have vanished. */
export async function recheckFindings(context: ProofContext): Promise<void> {
  const { pool, projection } = context;
  const open = await oldestFindings(pool, RECHECKED_MAX);
  const vanished: number[] = [];
  const seen: Finding[] = [];
  for (const finding of open) {
    const now = await onSnapshot(context, async (tx) => {
      const range = finding.kind === 'changed' ? parseRange(finding.subject) : null;
      if (range !== null) {
        const place = { ...range, segment: Math.floor(range.from / SEGMENT) };
        return await examineSegment(tx, place, projection);
      }
      return (await examine(tx, scopeOfSubject(finding.subject), projection)).findings;
    });
    const isThere = now.some((f) => f.kind === finding.kind && f.subject === finding.subject);
    if (!isThere) vanished.push(finding.id);
    seen.push(...now.filter(({ kind }) => kind === finding.kind));
  }
  await note(context, seen);
  await markVanished(pool, vanished);
}

/**
 * Findings without the holes that a search through the whole table fills. Only a damaged index could
 * cause those.
 */
async function withoutUnfounded(
  { pool, logger }: ProofContext,
  findings: readonly Finding[],
): Promise<readonly Finding[]> {
  const holes = findings.filter(({ kind }) => kind === 'hole');
  if (holes.length === 0) return findings;
  const ranges = holes.flatMap(({ subject }) => parseRange(subject) ?? []);
  const real = await inSnapshot(pool, SEARCH, async (tx) => {
    await readWithoutPlaceIndex(tx);
    const found = [];
    for (const range of ranges.slice(0, RECHECKED_MAX)) {
      found.push(...(await findOffsetFindings(tx, scopeOfRanges([range]))));
    }
    return found;
  });
  const found = real.filter(({ kind }) => kind === 'hole').map(rangeText);
  if (found.length === 0) {
    const fields = { offsets: holes.map(({ subject }) => subject) };
    logger.warn(fields, 'The index processed_events_place does not find stored events: REINDEX it');
  }
  const [hole] = holes;
  return [
    ...findings.filter((finding) => !holes.slice(0, RECHECKED_MAX).includes(finding)),
    ...found.map((subject) => ({ ...(hole as Finding), subject })),
  ];
}

async function note({ pool, logger }: ProofContext, findings: readonly Finding[]): Promise<void> {
  const fresh = await noteFindings(pool, findings);
  for (const finding of fresh.slice(0, LINES_MAX)) logger.error(finding, CONTRADICTED);
  if (fresh.length > LINES_MAX) logger.error({ more: fresh.length - LINES_MAX }, CONTRADICTED);
}
