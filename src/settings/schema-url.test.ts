import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isSchemaName, joinSchema, splitSchema } from './schema-url.ts';

const URL_OF = 'postgres://u:p%3Fw@h:5432/db';

describe('The schema in a database URL', () => {
  it('comes out as it was put in, whatever its name and the other parameters', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter(isSchemaName);
    const others = fc.constantFrom(
      '',
      '?sslmode=require',
      '?options=-c%20search_path%3Dapp&a=b%26',
    );
    fc.assert(
      fc.property(name, others, (schema, query) => {
        const url = `${URL_OF}${query}`;
        assert.deepEqual(splitSchema(joinSchema(url, schema)), { url, schema });
      }),
    );
  });

  it('may be given in both places, but not as two', () => {
    const url = `${URL_OF}?schema=a&sslmode=require`;
    assert.equal(joinSchema(url, 'a'), url);
    assert.equal(joinSchema(url, undefined), url);
    assert.throws(() => joinSchema(url, 'b'), { code: 'SETTING_INVALID', message: /different/ });
  });

  it("is not given by other drivers' parameters, which would be ignored", () => {
    for (const query of ['currentSchema=a', 'sslmode=require&search_path=a']) {
      assert.throws(() => splitSchema(`${URL_OF}?${query}`), /DATABASE_SCHEMA.*options=-c/);
    }
    for (const schema of ['', 'pg_temp', 'information_schema', 'x'.repeat(64), 'é'.repeat(32)]) {
      assert.throws(() => splitSchema(`${URL_OF}?schema=${schema}`), /name of a schema/);
    }
  });
});
