import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createEmptyDatabase } from '../../test/support/database.ts';
import { Orderonce } from '../../test/support/processes.ts';

it('every service refuses to start on a database that is not UTF8, and says what to do [G8]', async (t) => {
  const { url } = await createEmptyDatabase(t, `ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'`);
  const env = { DATABASE_URL: url, PRODUCER_PORT: '0', CONSUMER_PORT: '0' };
  for (const command of ['migrate', 'start', 'consumer', 'producer']) {
    const process = new Orderonce(t, [command], env);
    assert.equal(await process.exit(), 1, process.output);
    assert.match(process.output, /DATABASE_NOT_UTF8.*LATIN1.*ENCODING 'UTF8'/, command);
  }
});

it('a service refuses the tables of another application, where DATABASE_SCHEMA names them', async (t) => {
  const { pool, url } = await createEmptyDatabase(t);
  await pool.query('CREATE TABLE schema_migrations (version bigint)');
  const env = { DATABASE_URL: `${url}?schema=public`, CONSUMER_PORT: '0' };
  const consumer = new Orderonce(t, ['consumer'], env);
  assert.equal(await consumer.exit(), 1, consumer.output);
  assert.match(consumer.output, /SCHEMA_TAKEN.*Set DATABASE_SCHEMA to a schema/);
  const both = new Orderonce(t, ['migrate'], { ...env, DATABASE_SCHEMA: 'orders' });
  assert.equal(await both.exit(), 2, both.output);
  assert.match(both.output, /name different schemas/);
});
