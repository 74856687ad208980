import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { whyForbidden } from './forbidden-statements.ts';

/** What PostgreSQL's scanner skips before the first word of a statement. */
const SKIPPED = [
  ' ',
  '\t\r\n\f\v',
  '-- a\n',
  '-- SELECT 1\r',
  '--\r',
  '/* a */',
  '/**/',
  '/***/',
  '/* a /* b */ c */',
  '/*/* /**/ */*/',
  '/* */ /* */ -- */\n',
];
/** What it skips too, or may in another release. It must not hide what is behind it either. */
const ODD = [';', ' ; ; ', '(', '((', '\ufeff', '\u00a0', '\u2028', '\0', '"', "''", '$$$$'];
const ENDS = [
  'COMMIT',
  'commit and chain',
  'END',
  'ABORT',
  'ROLLBACK',
  'ROLLBACK TO SAVEPOINT attempt',
  'RELEASE SAVEPOINT attempt',
  'SAVEPOINT attempt',
  "PREPARE TRANSACTION 'x'",
  'BEGIN',
  'START TRANSACTION',
];
const SESSION = [
  'SET LOCAL search_path = x',
  'SET SESSION AUTHORIZATION x',
  'RESET ROLE',
  'DISCARD ALL',
  'DEALLOCATE ALL',
  'PREPARE q AS SELECT 1',
  'LISTEN x',
  'UNLISTEN *',
  "LOAD 'x'",
  'COPY x FROM STDIN',
  'CHECKPOINT',
  'A NEW COMMAND',
  '',
];
const ALLOWED = [
  'SELECT 1',
  'select(1)',
  '(SELECT 1) UNION (SELECT 2)',
  'WITH a AS (SELECT 1) SELECT * FROM a',
  'INSERT INTO charges VALUES (1)',
  'MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE',
  'UPDATE a SET commit = 1',
  'TABLE a',
  'DO $$ BEGIN PERFORM 1; END $$',
  'CALL charge()',
  'CREATE TEMP TABLE a (n int) ON COMMIT DROP',
  'CREATE VIEW mine AS SELECT * FROM orders',
];

describe('The statements of a handler', () => {
  for (const skipped of [...SKIPPED, ...ODD]) {
    it(`neither end the transaction nor change the session behind ${JSON.stringify(skipped)}`, () => {
      for (const statement of [...ENDS, ...SESSION]) {
        assert.match(whyForbidden(skipped + statement) ?? '', /^A handler must not/, statement);
      }
    });
  }

  it('may read and write, with spaces and comments before them', () => {
    for (const skipped of ['', ...SKIPPED]) {
      for (const statement of ALLOWED) assert.equal(whyForbidden(skipped + statement), null);
    }
  });

  it('do not change what the tables of Orderonce are', () => {
    for (const statement of [
      'ALTER TABLE "duplicates" DISABLE TRIGGER ALL',
      'DROP TRIGGER refuse_handlers ON public.orders',
      'CREATE OR REPLACE TRIGGER t BEFORE INSERT ON duplicates EXECUTE FUNCTION f()',
      'CREATE RULE r AS ON INSERT TO outbox DO INSTEAD NOTHING',
      'LOCK consumer_positions',
      'DROP TABLE event_data CASCADE',
      'ALTER TABLE event_data_20260101 DISABLE TRIGGER refuse_handlers',
      'DROP FUNCTION refuse_change_by_handler CASCADE',
      'CREATE OR REPLACE FUNCTION refuse_change_by_handler() RETURNS trigger AS $$$$ LANGUAGE plpgsql',
      'DROP SCHEMA public CASCADE',
      'DROP OWNED BY CURRENT_USER',
    ]) {
      assert.match(whyForbidden(statement) ?? '', /belongs to Orderonce$/);
    }
  });
});
