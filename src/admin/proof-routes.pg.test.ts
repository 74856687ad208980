import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createDatabase } from '../../test/support/database.ts';
import { serve } from '../../test/support/serve.ts';
import { noteFindings } from '../store/proof-findings.ts';
import { addProofRoutes } from './proof-routes.ts';

const FINDING = { kind: 'hole', subject: '1/0/7-8', message: 'm', evidence: 'e' };

describe('/proof', () => {
  it('shows what was found, and takes an acknowledgement with a reason and who gave it', async (t) => {
    const { pool } = await createDatabase(t);
    const { get, post } = await serve(t, (app) => addProofRoutes(app, pool));
    const empty = await get('/proof');
    assert.deepEqual(
      [empty.body.findings, empty.body.items, empty.body.behind_records],
      [{}, [], 0],
    );
    await noteFindings(pool, [FINDING]);
    const { body } = await get('/proof');
    assert.deepEqual(body.findings, { hole: 1 });
    const [{ id, subject }] = body.items;
    assert.equal(subject, '1/0/7-8');
    const url = `/proof/findings/${id}/acknowledge`;
    const refused = [
      await post(url, { reason: ' ' }),
      await post(url, Buffer.from([0xff])),
      await post('/proof/findings/999/acknowledge', { reason: 'why' }),
      await post('/proof/findings/x/acknowledge', { reason: 'why' }),
      await post(url, { reason: 'why' }, { origin: 'http://evil.example' }),
    ];
    assert.deepEqual(
      refused.map(({ status }) => status),
      [422, 422, 404, 404, 403],
    );
    const done = await post(url, { reason: 'deleted on request' }, { 'orderonce-actor': 'anna' });
    assert.equal(done.status, 200);
    assert.match(done.body.acknowledged_by, /^anna \(http /);
    const after = (await get('/proof')).body;
    assert.deepEqual([after.findings, after.items[0].reason], [{}, 'deleted on request']);
  });
});
