import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { createDatabase } from '../../test/support/database.ts';
import {
  amountArray,
  bigintArray,
  byteaArray,
  bytesArray,
  intArray,
  textArray,
  timestampArray,
  uuidArray,
} from './binary-arrays.ts';

const amount = fc
  .tuple(
    fc.oneof(
      fc.bigInt({ min: 0n, max: 99_999_999_999_999n }),
      fc.constantFrom(0n, 9999n, 10_000n, 100_000_000n),
    ),
    fc.oneof(fc.nat({ max: 9999 }), fc.constantFrom(0, 1, 9999)),
  )
  .map(([integer, decimals]) => `${integer}.${String(decimals).padStart(4, '0')}`);

const timestamp = fc
  .tuple(fc.integer({ min: 0, max: Date.UTC(9999, 11, 31, 23, 59, 59) }), fc.nat({ max: 999 }))
  .map(
    ([ms, micros]) =>
      `${new Date(ms).toISOString().slice(0, 23)}${String(micros).padStart(3, '0')}Z`,
  );

const row = fc.record({
  uuid: fc.option(fc.uuid()),
  text: fc.string({ unit: 'grapheme', maxLength: 30 }).filter((text) => !text.includes('\0')),
  bytes: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((b) => Buffer.from(b).toString('hex')),
  maybe: fc.option(fc.string({ maxLength: 5 }).filter((text) => !text.includes('\0'))),
  any: fc.option(fc.uint8Array({ maxLength: 9 }).map((b) => Buffer.from(b))),
  number: fc.option(fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -(2 ** 33), max: 2 ** 33 }))),
  int: fc.integer(),
  timestamp,
  amount,
});

it('PostgreSQL reads back from binary arrays exactly what was written [G8]', async (t) => {
  const { pool } = await createDatabase(t);
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 100 }), async (rows) => {
      const { rows: read } = await pool.query(
        `SELECT uuid::text, text, encode(bytes, 'hex') AS bytes, number, int, amount::text,
                to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS timestamp,
                maybe, any_bytes AS any
           FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::bigint[], $5::timestamptz[], $6::numeric[],
                       $7::int[], $8::text[], $9::bytea[])
             AS r (uuid, text, bytes, number, at, amount, int, maybe, any_bytes)`,
        [
          uuidArray(rows.map(({ uuid }) => uuid)),
          textArray(rows.map(({ text }) => text)),
          byteaArray(rows.map(({ bytes }) => bytes)),
          bigintArray(rows.map(({ number }) => number)),
          timestampArray(rows.map(({ timestamp }) => timestamp)),
          amountArray(rows.map(({ amount }) => amount)),
          intArray(rows.map(({ int }) => int)),
          textArray(rows.map(({ maybe }) => maybe)),
          bytesArray(rows.map(({ any }) => any)),
        ],
      );
      assert.deepEqual(
        read,
        rows.map((row) => ({ ...row })),
      );
    }),
    { numRuns: 100 },
  );
});
