import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { wireEvent } from '../../test/support/events.ts';
import { FakeReader } from '../../test/support/fake-reader.ts';
import { setUpHeart } from '../../test/support/heart.ts';
import { OrderonceError } from '../errors.ts';
import { noteTrouble } from '../store/position-troubles.ts';
import { readReports, reportPositions } from './report.ts';

describe('Reports of positions', () => {
  it('show what consumers have written down, until the position moves', async (t) => {
    const { pool } = await setUpHeart(t, 2);
    const reader = new FakeReader(2);
    reader.put(0, wireEvent(), wireEvent());
    const since = new Date('2026-01-02T03:04:05Z');
    const trouble = { code: 'HANDLER_FAILS', message: 'no', from: 0, to: 0, since, owner: 'a' };
    await noteTrouble(pool, reader.topic, {
      ...trouble,
      partition: 0,
      state: 'retrying',
      attempts: 7,
    });
    const read = async () => {
      const both = [await reportPositions(reader, pool), await readReports(reader, pool)];
      return both.map((reports) =>
        reports.map((r) => [r.state, r.code, r.trouble, r.since, r.attempts]),
      );
    };
    const fine = ['fine', null, null, null, null];
    const held = [
      'retrying',
      'HANDLER_FAILS',
      'HANDLER_FAILS: no',
      '2026-01-02T03:04:05.000000Z',
      7,
    ];
    assert.deepEqual(await read(), [
      [held, fine],
      [held, fine],
    ]);
    // The consumer ended before it could delete the trouble that was over.
    await pool.query('UPDATE consumer_positions SET next_offset = 1 WHERE log_partition = 0');
    assert.deepEqual(await read(), [
      [fine, fine],
      [fine, fine],
    ]);
    await noteTrouble(pool, reader.topic, {
      ...trouble,
      partition: 1,
      state: 'stopped',
      attempts: 0,
    });
    for (const reports of await read()) assert.equal(reports[1]?.[0], 'stopped');
  });

  it('say why all are unreachable while the log does not answer at all', async (t) => {
    const { pool } = await setUpHeart(t, 2);
    const reader = new FakeReader(2);
    reader.failure = new OrderonceError('LOG_UNAVAILABLE', 'Kafka broker k:9092 cannot be reached');
    for (const read of [reportPositions, readReports]) {
      assert.deepEqual(
        (await read(reader, pool)).map(({ state, trouble, lag }) => [state, trouble, lag]),
        Array(2).fill([
          'unreachable',
          'LOG_UNAVAILABLE: Kafka broker k:9092 cannot be reached',
          null,
        ]),
      );
    }
    reader.failure = new Error('a bug');
    await assert.rejects(reportPositions(reader, pool), /a bug/);
  });
});
