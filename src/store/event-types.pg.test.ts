import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createDatabase } from '../../test/support/database.ts';
import { createRole } from '../../test/support/roles.ts';
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

  it('keeps the columns and the roles of a view, whatever is declared next', async (t) => {
    const { pool, url } = await createDatabase(t);
    const role = await createRole(t, url);
    await record(pool, { note: withFields('a', 'total_amount') });
    await pool.query(`GRANT SELECT ON note TO ${role.name}`);
    const own = (await columnsOf(pool, 'note')).slice(0, -3);
    await record(pool, { note: withFields('b', 'a', 'total_amount') });
    assert.deepEqual(await columnsOf(pool, 'note'), [
      ...own,
      'a',
      'data_total_amount',
      'data',
      'b',
    ]);
    // A newer version without one of the fields, and the older release again.
    const next = { ...withFields('c'), version: 2, upgrade: { 1: () => ({}) } };
    await record(pool, { note: next });
    await record(pool, { note: withFields('b', 'a', 'total_amount') });
    const all = [...own, 'a', 'data_total_amount', 'data', 'b', 'c'];
    assert.deepEqual(await columnsOf(pool, 'note'), all);
    const number = { type: 'object', properties: { c: { type: ['integer', 'null'] } } };
    const third = { data: number, version: 3, upgrade: { 1: () => ({}), 2: () => ({}) } };
    await record(pool, { note: third });
    assert.deepEqual(await columnsOf(pool, 'note'), [...own, 'c', 'data']);
    const { rows } = await pool.query(`SELECT has_table_privilege($1, 'note', 'SELECT') AS may`, [
      role.name,
    ]);
    assert.equal(rows[0]?.may, true);
  });

  it('gives columns their type, also where they may be null or refer to a definition', async (t) => {
    const { pool } = await createDatabase(t);
    const properties = {
      text: { anyOf: [{ type: 'string' }, { type: 'null' }] },
      amount: { type: ['number', 'null'] },
      state: { enum: ['on', 'off'] },
      given: { $ref: '#/$defs/given' },
      list: { type: 'array' },
      mixed: { type: ['string', 'number'] },
    };
    await record(pool, {
      note: { data: { type: 'object', properties, $defs: { given: { type: 'boolean' } } } },
    });
    const { rows } = await pool.query(
      `SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
        WHERE attrelid = 'note'::regclass AND attname = ANY ($1) ORDER BY attnum`,
      [Object.keys(properties)],
    );
    const types = ['text', 'numeric', 'text', 'boolean', 'jsonb', 'jsonb'];
    assert.deepEqual(
      rows.map(({ type }) => type),
      types,
    );
  });

  it('names the type that PostgreSQL cannot hold', async (t) => {
    const { pool } = await createDatabase(t);
    const many = Array.from({ length: 1640 }, (_, n) => `f${n}`);
    const code = 'EVENTS_INVALID';
    await assert.rejects(record(pool, { wide: withFields(...many) }), {
      code,
      message: /wide@1: .*1600/,
    });
    const data = { type: 'object', description: 'a\0b' };
    await assert.rejects(record(pool, { nul: { data } }), { code, message: /nul@1: / });
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
