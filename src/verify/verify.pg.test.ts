/** Verify finds each planted fault, and nothing in a correct account. */

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FAULTS, setUpAccount } from '../../test/support/account-faults.ts';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { setUpTypedAccount, TYPED_FAULTS, TYPED_RULES } from '../../test/support/typed-account.ts';
import type { Handler } from '../handlers/handler.ts';
import { processBatch } from '../inbox/process-batch.ts';
import { USUAL_MODEL } from '../store/event-model.ts';
import type { Pool } from '../store/pool.ts';
import { readReceipts } from './receipts.ts';
import { verify } from './verify.ts';

type Options = Parameters<typeof verify>[1];

const ask = (pool: Pool, parts: Partial<Options> = {}) =>
  verify(pool, {
    topic: 'order_events',
    receipts: null,
    handlers: [],
    reader: null,
    onStep: () => {},
    ...USUAL_MODEL,
    ...parts,
  });

const findingsOf = ({ offsets, rows }: Awaited<ReturnType<typeof ask>>) =>
  [
    ...offsets.map((f) => `${f.kind} ${f.partition} ${f.from}-${f.to}`),
    ...rows.map(({ kind, message }) => `${kind}: ${message}`),
  ].join('\n');

describe('verify', () => {
  it('proves a true account, and counts it', async (t) => {
    const { pool } = await setUpAccount(t);
    const verdict = await ask(pool);
    assert.equal(findingsOf(verdict), '');
    assert.equal(verdict.isProven, true);
    const { topic, logId, ...zero } = verdict.partitions[0] ?? { topic: '', logId: 0 };
    assert.deepEqual(zero, {
      partition: 0,
      start: 0,
      position: 8,
      stored: 3,
      duplicates: 1,
      conflicts: 1,
      parked: 2,
      waiting: 1,
      discarded: 0,
      withoutRecord: 0,
      closed: false,
    });
    assert.equal(verdict.partitions[1]?.withoutRecord, 3);
  });

  for (const [title, [sql, finding]] of Object.entries(FAULTS)) {
    it(`convicts ${title} [G3]`, async (t) => {
      const { pool } = await setUpAccount(t);
      await pool.query(sql);
      const verdict = await ask(pool);
      assert.match(findingsOf(verdict), finding);
      assert.equal(verdict.isProven, false);
    });
  }

  for (const [title, [sql, finding]] of Object.entries(TYPED_FAULTS)) {
    it(`of typed events convicts ${title} [G3]`, async (t) => {
      const { pool } = await setUpTypedAccount(t);
      assert.equal(findingsOf(await ask(pool, { rules: TYPED_RULES })), '');
      await pool.query(sql);
      assert.match(findingsOf(await ask(pool, { rules: TYPED_RULES })), finding);
    });
  }

  it('sorts receipts: accounted, pending, unprovable, missing [G1] [G7]', async (t) => {
    const { pool, first } = await setUpAccount(t);
    await pool.query(
      'UPDATE consumer_positions SET start_offset = 2, next_offset = 4 WHERE log_partition = 1',
    );
    const folder = await mkdtemp(join(tmpdir(), 'orderonce-receipts-'));
    t.after(() => rm(folder, { recursive: true }));
    const line = (event_id: string, partition: number, offset: number) =>
      JSON.stringify({ event_id, partition, offset });
    const file = join(folder, 'receipts');
    await writeFile(
      file,
      [
        line(first.event_id, 0, 0),
        line(first.event_id.toUpperCase(), 0, 2),
        line(first.event_id, 0, 7),
        line(crypto.randomUUID(), 0, 99),
        line(crypto.randomUUID(), 1, 1),
        line(crypto.randomUUID(), 7, 0),
        '',
      ].join('\n'),
    );
    const verdict = await ask(pool, { receipts: readReceipts(file, null) });
    assert.deepEqual(verdict.receipts, { accounted: 2, pending: 2, unprovable: 1, missing: 1 });
    assert.deepEqual(verdict.missing[0]?.offset, 7);
    await writeFile(file, '{"event_id":"x"}\n');
    await assert.rejects(ask(pool, { receipts: readReceipts(file, null) }), {
      message: /line 1: not a receipt/,
    });
  });

  it('counts handlers as proven only where they export a check, and name what contradicts [G2]', async (t) => {
    const { pool } = await setUpAccount(t);
    const handle = async () => {};
    const handlers: Handler[] = [
      { name: 'silent', handle },
      { name: 'right', handle, check: async () => [] },
      {
        name: 'broken',
        handle,
        check: async (db) => (await db.query('SELECT 1 / 0')).rows as never,
      },
      {
        name: 'wrong',
        handle,
        check: async (db) =>
          (await db.query('SELECT count(*) AS n FROM processed_events')).rows.map(
            ({ n }) => `${n} stored, 0 charged`,
          ),
      },
    ];
    const verdict = await ask(pool, { handlers });
    assert.deepEqual(
      verdict.handlers.map(({ handler, verdict: what, findings }) => [handler, what, ...findings]),
      [
        ['silent', 'not checked'],
        ['right', 'proven'],
        ['broken', 'contradicted', 'The check failed: division by zero'],
        ['wrong', 'contradicted', '4 stored, 0 charged'],
      ],
    );
    assert.equal(verdict.isProven, false);
  });

  it('sees one snapshot while consumers work [G3]', async (t) => {
    const { pool, context } = await setUpAccount(t);
    let next = 8;
    let isDone = false;
    const working = (async () => {
      while (!isDone) {
        await processBatch(context, sliceOfEvents(next, [wireEvent(), wireEvent()]));
        next += 2;
      }
    })();
    for (let i = 0; i < 10; i++) assert.equal(findingsOf(await ask(pool)), '');
    isDone = true;
    await working;
  });
});
