/** A statement and a message have the values that they were given, whatever the handler does then. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { sliceOfEvents, wireEvent } from '../../test/support/events.ts';
import { processAll, setUpHeart } from '../../test/support/heart.ts';
import type { Handler } from './handler.ts';

it('what a handler gives to tx is what it was then, though it changes the objects afterwards [G2]', async (t) => {
  const { pool, context } = await setUpHeart(t);
  await pool.query('CREATE TABLE effects (ids uuid[], bytes bytea, doc jsonb, at timestamptz)');
  const at = '2026-01-02T03:04:05.000Z';
  const handler: Handler = {
    name: 'reuses its objects',
    handle: async ([event], tx) => {
      if (event === undefined) return;
      const [ids, bytes, doc, date] = [[event.eventId], Buffer.from('a'), { n: [1] }, new Date(at)];
      const values = [ids, bytes, doc, date];
      const inserted = tx.query('INSERT INTO effects VALUES ($1, $2, $3, $4)', values);
      const headers = { tenant: 'a' };
      const message = { topic: 'out', key: bytes, value: bytes, headers };
      tx.emit(event, message);
      ids.length = 0;
      bytes.fill('z');
      doc.n.push(2);
      date.setFullYear(1999);
      values.length = 0;
      headers.tenant = 'z';
      message.topic = 'elsewhere';
      await inserted;
    },
  };
  const set = { handlers: [handler], timeoutMs: 1000, attemptsMax: 1 };
  const event = wireEvent();
  await processAll({ ...context, handlers: set }, sliceOfEvents(0, [event]));
  const effects = await pool.query(
    `SELECT ids::text[] AS ids, convert_from(bytes, 'UTF8') AS bytes, doc,
            at = '${at}' AS "isSame" FROM effects`,
  );
  assert.deepEqual(effects.rows, [
    { ids: [event.event_id], bytes: 'a', doc: { n: [1] }, isSame: true },
  ]);
  const messages = await pool.query(
    `SELECT topic, convert_from(key, 'UTF8') || convert_from(value, 'UTF8') AS text, headers FROM outbox`,
  );
  assert.deepEqual(messages.rows, [{ topic: 'out', text: 'aa', headers: { tenant: 'a' } }]);
});
