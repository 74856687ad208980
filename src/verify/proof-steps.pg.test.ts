/** The continuous proof finds each fault that verify finds, at its head and on its patrol. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FAULTS, setUpAccount } from '../../test/support/account-faults.ts';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { processAll, setUpHeart } from '../../test/support/heart.ts';
import { setUpTypedAccount, TYPED_FAULTS } from '../../test/support/typed-account.ts';
import { createLogger } from '../runtime/logger.ts';
import { PARTS } from '../store/account-parts.ts';
import { ORDERS } from '../store/orders-projection.ts';
import type { Pool } from '../store/pool.ts';
import { acknowledgeFinding, listFindings, noteFindings } from '../store/proof-findings.ts';
import { readProofSummary } from '../store/proof-summary.ts';
import type { Pass } from './head-plan.ts';
import { recheckFindings, stepHead, stepPatrol } from './proof-steps.ts';

const contextOf = (pool: Pool) => ({
  pool,
  logger: createLogger('silent'),
  projection: ORDERS,
  statementMs: 2000,
  turn: 0,
});

/** A pass of the head, with steps so small that it takes several. */
async function head(pool: Pool): Promise<void> {
  let pass: Pass | null = null;
  do pass = await stepHead(contextOf(pool), pass, 6);
  while (pass !== null);
}

async function patrol(pool: Pool): Promise<void> {
  while (await stepPatrol(contextOf(pool), PARTS));
}

/** In the form in which FAULTS expects them. */
async function found(pool: Pool): Promise<string> {
  const findings = await listFindings(pool, 1000);
  return findings
    .map(({ kind, subject, message }) => {
      const range = /^\d+\/(\d+)\/(\d+)-(\d+)$/.exec(subject);
      if (range === null) return `${kind}: ${message}`;
      return `${kind} ${range[1]} ${range[2]}-${Number(range[3]) + 1}`;
    })
    .join('\n');
}

describe('The continuous proof', () => {
  const accounts = [
    { of: '', setUp: setUpAccount, faults: FAULTS },
    { of: ' of typed events', setUp: setUpTypedAccount, faults: TYPED_FAULTS },
  ];
  for (const { of, setUp, faults } of accounts) {
    it(`proves a true account${of} and finds nothing, at its head and on its patrol [G3]`, async (t) => {
      const { pool } = await setUp(t);
      assert.equal((await readProofSummary(pool)).head_age_seconds, null);
      await head(pool);
      await patrol(pool);
      assert.equal(await found(pool), '');
      const { head_age_seconds, full_age_seconds, behind_records } = await readProofSummary(pool);
      assert.ok(head_age_seconds !== null && full_age_seconds !== null);
      assert.equal(behind_records, 0);
    });

    for (const [title, [sql, finding]] of Object.entries(faults)) {
      it(`finds ${title}${of}, before it has proven it and afterwards [G3]`, async (t) => {
        const { pool } = await setUp(t);
        await pool.query(sql);
        await head(pool);
        await patrol(pool);
        assert.match(await found(pool), finding);
        await recheckFindings(contextOf(pool));
        assert.match(await found(pool), finding, 'and finds it again');
        const other = await setUp(t);
        await head(other.pool);
        await patrol(other.pool);
        assert.equal(await found(other.pool), '');
        await other.pool.query(sql);
        await head(other.pool);
        await patrol(other.pool);
        assert.match(await found(other.pool), finding);
        // As if all that they name had been removed: they vanish, and hold up nothing.
        const { pool: sound } = await setUp(t);
        const open = await listFindings(pool, 1000);
        await noteFindings(
          sound,
          open.map((one) => ({ ...one, evidence: one.message })),
        );
        await recheckFindings(contextOf(sound));
        assert.equal(await found(sound), '');
      });
    }
  }

  it('finds that an event was replaced by another one with a digest and an order that fit [G3]', async (t) => {
    const { pool } = await setUpAccount(t);
    await head(pool);
    await pool.query(
      `UPDATE processed_events SET user_id = 'x', digest = sha256(convert_to(event_id || E'\\n' || order_id
         || E'\\n' || total_amount || E'\\n' || to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
         || E'\\n' || 'x', 'UTF8')) WHERE log_partition = 0 AND log_offset = 7;
       UPDATE orders SET user_id = 'x' WHERE last_log_offset = 7`,
    );
    await patrol(pool);
    assert.match(await found(pool), /^changed 0 0-20000$/);
  });

  it('judges which event an order shows, also where its events are too many to add up', async (t) => {
    const { pool, context } = await setUpHeart(t);
    const { order_id } = wireEvent();
    const events = Array.from({ length: 5002 }, () => wireEvent({ order_id }));
    await processAll(context, sliceOfEvents(0, events));
    await patrol(pool);
    assert.equal(await found(pool), '');
    await pool.query(
      `UPDATE orders SET (last_event_id, last_log_offset) = (
         SELECT event_id, log_offset FROM processed_events WHERE log_offset = 7)`,
    );
    await patrol(pool);
    assert.match(await found(pool), /^last event: does not show the last event of the log$/);
  });

  it('looks at an order with many events in one of sixteen passes of its head', async (t) => {
    const { pool, context } = await setUpHeart(t, 1);
    const { order_id } = wireEvent();
    const events = Array.from({ length: 47 }, () => wireEvent({ order_id }));
    await processAll(context, sliceOfEvents(0, events.slice(0, 31)));
    await pool.query('UPDATE orders SET amount_sum = amount_sum + 1');
    const foundAt: number[] = [];
    for (let turn = 0; turn < 16; turn++) {
      await processAll(context, sliceOfEvents(31 + turn, events.slice(31 + turn, 32 + turn)));
      await stepHead({ ...contextOf(pool), turn }, null, 100);
      if ((await found(pool)).startsWith('effect')) foundAt.push(turn);
      await pool.query('DELETE FROM proof_findings');
    }
    assert.equal(foundAt.length, 1, `${foundAt}`);
    await patrol(pool);
    assert.match(await found(pool), /^effect/, 'and the patrol looks at it in each round');
  });

  it('keeps a finding until it vanishes; acknowledged, it stays without counting', async (t) => {
    const { pool } = await setUpAccount(t);
    await pool.query('UPDATE orders SET amount_sum = amount_sum + 1 WHERE event_count = 2');
    await head(pool);
    const countOf = async () => (await readProofSummary(pool)).findings.effect;
    assert.equal(await countOf(), 1);
    await recheckFindings(contextOf(pool));
    const [finding] = await listFindings(pool, 10);
    assert.equal(finding?.kind, 'effect');
    const by = { actor: 'anna', reason: 'corrected by hand' };
    assert.equal((await acknowledgeFinding(pool, finding.id, by)).reason, by.reason);
    assert.equal(await countOf(), undefined);
    await recheckFindings(contextOf(pool));
    assert.equal((await listFindings(pool, 10))[0]?.acknowledged_by, 'anna');
    await pool.query('UPDATE orders SET amount_sum = amount_sum - 1 WHERE event_count = 2');
    await recheckFindings(contextOf(pool));
    assert.deepEqual(await listFindings(pool, 10), []);
    await assert.rejects(acknowledgeFinding(pool, finding.id, by), { code: 'FINDING_UNKNOWN' });
    // The same trouble again is a new one.
    await pool.query('UPDATE orders SET amount_sum = amount_sum + 1 WHERE event_count = 2');
    await patrol(pool);
    assert.equal(await countOf(), 1);
  });
});
