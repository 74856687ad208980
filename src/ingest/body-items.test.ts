import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type BodyForm, BodyItems } from './body-items.ts';

const ITEM_BYTES_MAX = 200;

/** Feeds a body to BodyItems in chunks of the given sizes, which repeat. */
function cut(body: string | Buffer, form: BodyForm, sizes: readonly number[] = [7]): string[] {
  const bytes = Buffer.from(body);
  const items = new BodyItems(form, ITEM_BYTES_MAX);
  const found = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = Math.max(1, sizes[i % sizes.length] as number);
    found.push(...items.push(bytes.subarray(at, at + size)));
    at += size;
  }
  found.push(...items.end());
  return found.map((item) =>
    item.kind === 'item' ? item.bytes.toString().trim() : `broken: ${item.reason}`,
  );
}

const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });
const value = fc
  .json({ maxDepth: 3, stringUnit: 'binary' })
  .filter((json) => Buffer.byteLength(json) < ITEM_BYTES_MAX);

describe('BodyItems', () => {
  it('finds the elements of any array, however it arrives [G10]', () => {
    fc.assert(
      fc.property(
        fc.array(value, { maxLength: 6 }),
        fc.constantFrom('', ' ', '\n\t'),
        sizes,
        (values, space, pieces) => {
          const body = `${space}[${values.map((v) => space + v + space).join(',')}]${space}`;
          assert.deepEqual(cut(body, 'array', pieces), values);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('finds the lines of NDJSON, empty ones left out, the last one with or without an end', () => {
    fc.assert(
      fc.property(
        fc.array(value, { maxLength: 6 }),
        fc.constantFrom('\n', '\r\n', '\n\n  \n'),
        fc.boolean(),
        sizes,
        (values, end, isClosed, pieces) => {
          const body = values.join(end) + (isClosed ? end : '');
          assert.deepEqual(cut(body, 'lines', pieces), values);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('says where an array is broken, and gives nothing behind it', () => {
    const cases: Record<string, string[]> = {
      '': ['broken: The body is empty'],
      '{"a":1}': ['broken: The body is not an array'],
      '[1,2': ['1', 'broken: The array is not closed'],
      '[1,,2]': ['1', 'broken: The array has an empty element'],
      '[1,]': ['1', 'broken: The array has an empty element'],
      '[1] x [2]': ['1', 'broken: The body continues after the array'],
      '["a]': ['broken: The array is not closed'],
    };
    for (const [body, items] of Object.entries(cases))
      assert.deepEqual(cut(body, 'array'), items, body);
  });

  it('does not gather an item that is too long [G10]', () => {
    const long = JSON.stringify('x'.repeat(100_000));
    for (const [body, form] of [
      [`[${long},1]`, 'array'],
      [`${long}\n1`, 'lines'],
    ] as const) {
      const [first, second] = cut(body, form, [4096]);
      assert.deepEqual([first?.length, second], [ITEM_BYTES_MAX + 1, '1']);
    }
  });
});
