/** Compares the tables with the log: finds faults that the tables alone cannot show. */

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { newReader, produce, startConsumer, untilStored } from '../../test/support/consumer.ts';
import { createDatabase } from '../../test/support/database.ts';
import { wireEvent } from '../../test/support/events.ts';
import { foreignProducer, KAFKA, newTopic } from '../../test/support/kafka.ts';
import { until } from '../../test/support/until.ts';
import { OrderonceError } from '../errors.ts';
import { type LogReader, NOTHING_NEW } from '../log/event-log.ts';
import { USUAL_MODEL } from '../store/event-model.ts';
import { verify } from './verify.ts';

/** The reader with some methods replaced. */
const withMethods = (reader: LogReader, methods: Partial<LogReader>): LogReader =>
  new Proxy(reader, {
    get: (target, name) => {
      const value = Reflect.get({ ...methods }, name) ?? Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });

/** A log with every kind of outcome, a committed and an aborted transaction. */
async function setUp(t: TestContext) {
  const db = await createDatabase(t);
  const topic = await newTopic(1);
  const event = wireEvent();
  const values = [event, event, { ...event, user_id: 'other' }, wireEvent()].map((value) => ({
    value: JSON.stringify(value),
  }));
  await produce(topic, [...values, { value: 'garbage' }]);
  for (const end of ['abort', 'commit'] as const) {
    const producer = foreignProducer(KAFKA, `${topic}-${end}`);
    const transaction = await producer.beginTransaction();
    const value = Buffer.from(JSON.stringify(wireEvent()));
    await transaction.send({ messages: [{ topic, key: Buffer.from('k'), value }] });
    await transaction[end]();
    await producer.close();
  }
  const consumer = startConsumer(t, db, topic);
  await untilStored(db, 3);
  await until('the end is reached', () => consumer.partitions[0]?.next_offset === 9);
  const reader = newReader(t, topic);
  const askWith = (from: LogReader | null) =>
    verify(db.pool, {
      topic,
      receipts: null,
      handlers: [],
      reader: from,
      onStep: () => {},
      ...USUAL_MODEL,
    });
  const ask = (isAgainstLog: boolean) => askWith(isAgainstLog ? reader : null);
  return { db, ask, askWith, event, reader };
}

describe('verify --against-log', { skip: KAFKA === undefined }, () => {
  it('proves a true account record by record, gaps included [G3]', async (t) => {
    const { ask } = await setUp(t);
    const verdict = await ask(true);
    assert.deepEqual(verdict.log, { compared: 9, gone: 0, findings: [] });
    assert.equal(verdict.isProven, true);
  });

  it('waits while a partition changes its leader, before and during the comparison [G3]', async (t) => {
    const { askWith, reader } = await setUp(t);
    const toFail = { identity: 2, bounds: 2, fetch: 50 };
    const changing = withMethods(reader, {
      identity: async () => {
        if (toFail.identity-- <= 0) return await reader.identity();
        throw new OrderonceError('LOG_UNAVAILABLE', 'No broker answers');
      },
      // Some partitions answer, this one does not.
      bounds: async (...args) => (toFail.bounds-- > 0 ? new Map() : await reader.bounds(...args)),
      fetch: async (topicId, wishes, limits) => {
        if (toFail.fetch-- <= 0) return await reader.fetch(topicId, wishes, limits);
        const failed = new Map(
          wishes.map(({ partition }) => [partition, 'No broker leads it now']),
        );
        return { ...NOTHING_NEW, failed };
      },
    });
    const verdict = await askWith(changing);
    assert.deepEqual(verdict.log, { compared: 9, gone: 0, findings: [] });
    assert.equal(verdict.isProven, true);
  });

  const faults: Record<string, [sql: string, finding: RegExp]> = {
    'an event that is called a compacted gap': [
      `WITH gone AS (DELETE FROM processed_events WHERE log_offset = 3 RETURNING *)
       INSERT INTO log_gaps SELECT log_id, log_partition, log_offset, log_offset + 1, 'compacted' FROM gone;
       DELETE FROM orders WHERE event_count = 1 AND last_log_offset = 3`,
      /differs 3 holds a record, but is in log_gaps/,
    ],
    'a dead letter with other bytes': [
      `UPDATE dead_letters SET value = 'trash'`,
      /differs 4 is not the record that became dead_letter/,
    ],
    'an event that became a dead letter that claims nothing': [
      `WITH gone AS (DELETE FROM processed_events WHERE log_offset = 3 RETURNING *)
       INSERT INTO dead_letters (log_id, log_partition, log_offset, event_id, value, state, reason)
       SELECT log_id, log_partition, log_offset, event_id,
              convert_to('{"event_id":"' || event_id || '","order_id":"' || order_id || '","user_id":"' || user_id
                || '","total_amount":"10.00","timestamp":"2026-01-02T03:04:05Z"}', 'UTF8'), 'parked', 'invalid_event'
         FROM gone;
       DELETE FROM orders WHERE event_count = 1 AND last_log_offset = 3`,
      /differs 3 is not the record that became dead_letter/,
    ],
    'an event that was made up at the place of a marker': [
      `WITH gap AS (DELETE FROM log_gaps WHERE from_offset = 8 RETURNING *)
       INSERT INTO duplicates (log_id, log_partition, log_offset, event_id)
       SELECT gap.log_id, gap.log_partition, 8, event_id FROM gap,
         (SELECT event_id FROM processed_events LIMIT 1) e`,
      /unaccounted 8 is a gap that is not in log_gaps/,
    ],
    'a conflict that is called a duplicate': [
      `WITH gone AS (DELETE FROM conflicts RETURNING *)
       INSERT INTO duplicates (log_id, log_partition, log_offset, event_id)
       SELECT log_id, log_partition, log_offset, event_id FROM gone`,
      /differs 2 is not the record that became duplicate/,
    ],
    'an event that took effect though its transaction was aborted': [
      `WITH gap AS (DELETE FROM log_gaps WHERE from_offset = 5 RETURNING *)
       INSERT INTO duplicates (log_id, log_partition, log_offset, event_id)
       SELECT gap.log_id, gap.log_partition, o, event_id FROM gap, generate_series(5, to_offset - 1) o,
         (SELECT event_id FROM processed_events LIMIT 1) e`,
      /not in the log 5 has the outcome duplicate/,
    ],
  };
  for (const [title, [sql, finding]] of Object.entries(faults)) {
    it(`convicts ${title}, which the tables alone do not show [G3]`, async (t) => {
      const { db, ask } = await setUp(t);
      await db.pool.query(sql);
      assert.equal((await ask(false)).isProven, true);
      const verdict = await ask(true);
      const findings = verdict.log?.findings.map((f) => `${f.kind} ${f.offset} ${f.message}`);
      assert.match(findings?.join('\n') ?? '', finding);
      assert.equal(verdict.isProven, false);
    });
  }
});
