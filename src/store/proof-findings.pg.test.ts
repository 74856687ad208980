import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { createDatabase } from '../../test/support/database.ts';
import { acknowledgeFinding, listFindings, markVanished, noteFindings } from './proof-findings.ts';

const FINDING = { kind: 'effect', subject: 'x', message: '11 and 10', evidence: '1' };
const KNOWN = { actor: 'anna', reason: 'a known import' };

async function setUp(t: TestContext) {
  const { pool } = await createDatabase(t);
  const state = async () => {
    const [found] = await listFindings(pool, 1);
    return [found?.message, found?.acknowledged_by];
  };
  assert.equal((await noteFindings(pool, [FINDING])).length, 1);
  const [{ id } = { id: 0 }] = await listFindings(pool, 1);
  await acknowledgeFinding(pool, id, KNOWN);
  return { pool, id, state };
}

describe('An acknowledged finding', () => {
  it('stays acknowledged while the same is wrong, whatever its message counts', async (t) => {
    const { pool, state } = await setUp(t);
    assert.deepEqual(await noteFindings(pool, [{ ...FINDING, message: '12 and 11' }]), []);
    assert.deepEqual(await state(), ['12 and 11', 'anna']);
  });

  it('is new if something else is wrong with the same subject, or if it has come back [G3]', async (t) => {
    const { pool, id, state } = await setUp(t);
    const worse = { ...FINDING, message: '99 and 10', evidence: '89' };
    assert.deepEqual(await noteFindings(pool, [worse]), [worse]);
    assert.deepEqual(await state(), ['99 and 10', null]);
    await acknowledgeFinding(pool, id, KNOWN);
    await markVanished(pool, [id]);
    assert.equal((await noteFindings(pool, [worse])).length, 1);
    assert.deepEqual(await state(), ['99 and 10', null]);
  });

  it('takes no room from others; when there is none left, the proof must not go on [G3]', async (t) => {
    const { pool } = await setUp(t);
    const many = (state: string) => `
      INSERT INTO proof_findings (kind, subject, message, evidence, acknowledged_at)
      SELECT 'hole', '${state}' || n, 'm', 'e', CASE '${state}' WHEN 'known' THEN now() END
        FROM generate_series(1, 10000) n`;
    await pool.query(many('known'));
    assert.equal((await noteFindings(pool, [{ ...FINDING, subject: 'y' }])).length, 1);
    await pool.query(many('open'));
    const one = { ...FINDING, subject: 'z' };
    await assert.rejects(noteFindings(pool, [one]), { code: 'TOO_MANY_FINDINGS' });
    assert.deepEqual(await noteFindings(pool, [FINDING]), [], 'known ones can still be noted');
  });
});
