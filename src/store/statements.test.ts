import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { quoted, SchemaName } from './statements.ts';

const sources = (pattern: string) =>
  globSync(pattern)
    .filter((file) => !file.endsWith('.test.ts'))
    .map((file) => [file, readFileSync(file, 'utf8')] as const);
const TABLES = sources('src/store/migrations/*.sql').flatMap(([, text]) =>
  [...text.matchAll(/^CREATE TABLE (\w+)/gm)].map(([, name]) => name as string),
);

describe('Our statements', () => {
  it('name the schema before each of our tables, and are all in src/store', () => {
    assert.ok(TABLES.length > 15);
    const named = new RegExp(
      `\\b(?:FROM|JOIN|INTO|UPDATE)\\s+(orderonce\\.)?(?:${TABLES.join('|')}|schema_migrations)\\b`,
      'g',
    );
    const found = sources('src/**/*.ts')
      // The statements of `migrate` run with the schema as search_path.
      .filter(([file]) => !/store.(migrate|migration-files|event-views)\.ts$/.test(file))
      .flatMap(([file, text]) =>
        [...text.matchAll(named)].map(([words, mark]) => ({ file, words, mark })),
      );
    assert.ok(found.length > 100);
    const isRight = ({ file, mark }: (typeof found)[number]) =>
      mark !== undefined && file.includes('store');
    assert.deepEqual(
      found.filter((one) => !isRight(one)),
      [],
    );
  });

  it('get the name of the schema as an identifier, whatever it is', () => {
    const schema = new SchemaName('a"$&.$1');
    assert.equal(schema.fill('SELECT FROM orderonce.orders'), 'SELECT FROM "a""$&.$1".orders');
    assert.equal(
      schema.fill('SELECT FROM my_orderonce.orders, orderonce_x'),
      'SELECT FROM my_orderonce.orders, orderonce_x',
    );
    assert.equal(schema.fill('COMMIT'), undefined);
    schema.name = 'b';
    assert.equal(schema.fill('SELECT FROM orderonce.orders'), 'SELECT FROM "b".orders');
    assert.equal(quoted('"'), '""""');
  });
});
