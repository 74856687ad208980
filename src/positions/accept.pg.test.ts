/** The search for the place where a truncated log differs, on a log that is made up in memory. */

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { recordOf, wireEvent } from '../../test/support/events.ts';
import { nextOffset, setUpHeart } from '../../test/support/heart.ts';
import { UNDECLARED } from '../event/event-rules.ts';
import { processBatch } from '../inbox/process-batch.ts';
import { type LogGap, type LogReader, type LogSlice, NOTHING_NEW } from '../log/event-log.ts';
import { USUAL_MODEL } from '../store/event-model.ts';
import type { Pool } from '../store/pool.ts';
import { verify } from '../verify/verify.ts';
import { acceptCut } from './accept.ts';

const FETCH_MAX = 300;

/** One partition; an entry is an event, or an offset of an aborted transaction. */
class CuttableLog {
  #entries: (ReturnType<typeof wireEvent> | 'aborted')[] = [];

  append(count: number): void {
    for (let i = 0; i < count; i++) this.#entries.push(wireEvent());
  }

  abort(count: number): void {
    for (let i = 0; i < count; i++) this.#entries.push('aborted');
  }

  cutAt(offset: number): void {
    this.#entries.length = offset;
  }

  sliceFrom(from: number): LogSlice {
    const part = this.#entries.slice(from, from + FETCH_MAX);
    const gaps: LogGap[] = part.flatMap((entry, i) =>
      entry === 'aborted' ? [{ from: from + i, to: from + i + 1, reason: 'aborted' }] : [],
    );
    const records = part.flatMap((entry, i) =>
      entry === 'aborted' ? [] : [recordOf(from + i, entry)],
    );
    return { partition: 0, from, next: from + part.length, records, gaps, leaderEpoch: 0 };
  }

  reader(): LogReader {
    return {
      topic: 'order_events',
      groupTrouble: null,
      identity: async () => ({ topic: 'order_events', topicId: 'topic-1', partitions: 1 }),
      bounds: async () => new Map([[0, { start: 0, end: this.#entries.length }]]),
      fetch: async (_id, [wish]) => {
        const slices = wish === undefined ? [] : [this.sliceFrom(wish.offset)];
        return { ...NOTHING_NEW, slices };
      },
      join: async () => {},
      commitHint: async () => {},
      close: async () => {},
    };
  }
}

async function setUp(t: TestContext) {
  const { pool, context } = await setUpHeart(t, 1);
  const log = new CuttableLog();
  const processAll = async (logId = context.logId) => {
    for (;;) {
      const slice = log.sliceFrom((await nextOffset(pool)) ?? 0);
      if (slice.next === slice.from) return;
      await processBatch({ ...context, logId }, slice);
    }
  };
  const accept = () =>
    acceptCut({ reader: log.reader(), pool, rules: UNDECLARED, actor: 'ann', reason: 'known' }, 0);
  return { pool, log, processAll, accept };
}

async function assertProven(pool: Pool, log: CuttableLog, compared: number): Promise<void> {
  const verdict = await verify(pool, {
    topic: 'order_events',
    receipts: null,
    handlers: [],
    reader: log.reader(),
    onStep: () => {},
    ...USUAL_MODEL,
  });
  assert.equal(verdict.isProven, true, JSON.stringify(verdict).slice(0, 1000));
  assert.equal(verdict.log?.compared, compared);
}

describe('acceptCut', () => {
  it('is not led astray by offsets without records behind the cut [G3]', async (t) => {
    const { pool, log, processAll, accept } = await setUp(t);
    log.append(1500);
    await processAll();
    log.cutAt(200);
    log.append(100);
    log.abort(700);
    const { at, logId } = await accept();
    assert.equal(at, 200);
    await processAll(logId);
    await assertProven(pool, log, 1000);
  });

  it('finds a second cut, and one that goes deeper than the first [G2] [G3]', async (t) => {
    const { pool, log, processAll, accept } = await setUp(t);
    log.append(1500);
    await processAll();
    for (const [cut, fresh] of [
      [1000, 20],
      [1010, 3],
      [900, 5],
    ] as const) {
      log.cutAt(cut);
      log.append(fresh);
      const { at, logId } = await accept();
      assert.equal(at, cut);
      await processAll(logId);
      await assertProven(pool, log, cut + fresh);
    }
    const { rows } = await pool.query('SELECT count(*) AS n FROM duplicates');
    assert.equal(rows[0].n, 0, 'nothing was read again');
  });
});
