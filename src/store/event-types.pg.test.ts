import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createDatabase } from '../../test/support/database.ts';
import type { EventTypes } from '../event/declaration.ts';
import { compileEvents } from '../event/declared-events.ts';
import { migrate } from './migrate.ts';
import type { Pool } from './pool.ts';

const record = (pool: Pool, types: EventTypes) =>
  migrate(pool, { declared: compileEvents({ types, options: {} }) });
const withFields = (...names: string[]) => ({
  data: {
    type: 'object',
    properties: Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
  },
});
const columnsOf = async (pool: Pool, view: string) => {
  const { rows } = await pool.query(`SELECT * FROM ${view} LIMIT 0`).then(({ fields }) => ({
    rows: fields.map(({ name }) => name),
  }));
  return rows;
};

describe('migrate with declared types', () => {
  it('keeps what a newer release has added when an older one runs it', async (t) => {
    const { pool } = await createDatabase(t);
    const old = { 'order.shipped': withFields('tracking') };
    const next = { 'order.shipped': withFields('tracking', 'carrier') };
    assert.deepEqual(await record(pool, old), ['type order.shipped@1']);
    assert.deepEqual(await record(pool, next), ['type order.shipped@1']);
    assert.deepEqual(await record(pool, old), []);
    assert.ok((await columnsOf(pool, 'order_shipped')).includes('carrier'));
    const other = withFields('tracking', 'carrier');
    Object.assign(other.data.properties, { carrier: { type: 'integer' } });
    const error = await record(pool, { 'order.shipped': other }).catch((reason) => reason);
    assert.match(error.message, /^The event type order\.shipped@1 differs .*carrier.* version 2/s);
  });

  it('refuses another amount in a newer version, since events of the older one keep theirs', async (t) => {
    const { pool } = await createDatabase(t);
    await record(pool, { fee: { amount: 'signed' } });
    const next = { fee: { amount: 'none', version: 2, upgrade: { 1: () => undefined } } } as const;
    await assert.rejects(record(pool, next), {
      code: 'EVENT_TYPE_CHANGED',
      message: /version 1 was recorded with "signed".*Declare a type with another name/,
    });
  });

  it('gives the view another name where the team has that one, and never that of another type', async (t) => {
    const { pool } = await createDatabase(t);
    await pool.query({ text: 'CREATE TABLE paid (n integer)' });
    const types = { paid: withFields('a'), 'paid.events': withFields('b') };
    await record(pool, types);
    await record(pool, types);
    assert.deepEqual(await columnsOf(pool, 'paid'), ['n']);
    const views = ['paid_events', 'paid_events_events'];
    const columns = await Promise.all(views.map((view) => columnsOf(pool, view)));
    assert.deepEqual(
      columns.map((names) => ['a', 'b'].filter((name) => names.includes(name))),
      [['a'], ['b']],
    );
  });
});
