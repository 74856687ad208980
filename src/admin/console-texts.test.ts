/** The pure parts of the console: formats, filters in the URL, differences, rows, charts, stream. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';

/** The files are plain JavaScript, as the browser loads them, and so have no types. */
const load = (file: string) => import(new URL(`./console/${file}`, import.meta.url).href);
const { ago, clip, detailText, hexDump, many, number, span, spanMs, time } =
  await load('format.js');
const { filtersIn, matchPath, withFilters } = await load('url-state.js');
const { differences, groupConflicts } = await load('differences.js');
const { changesOf } = await load('table.js');
const { countNew, whyHeld } = await load('hold.js');
const { rangeOf } = await load('ticks.js');
const { readEvents } = await load('sse-parser.js');
const { axisLimit, stack } = await load('chart.js');
const { trendOf } = await load('history.js');
const { gapsOf } = await load('timeline.js');
const { fieldsOf } = await load('payload.js');
const { meaningOf } = await load('keys.js');

describe('Formats', () => {
  it('show numbers and spans as people say them', () => {
    assert.equal(number(10_248), '10,248');
    assert.equal(number(null), '?');
    assert.equal(many(1, 'event'), '1 event');
    assert.equal(many(0, 'event'), '0 events');
    const spans = [0, 0.2, 59.9, 60, 3599, 3600, 7500, 172_799, 172_800, -5].map(span);
    const said = [
      '0 s',
      '<1 s',
      '59 s',
      '1 min',
      '59 min',
      '1 h',
      '2 h 5 min',
      '47 h 59 min',
      '2 d',
      '0 s',
    ];
    assert.deepEqual(spans, said);
    assert.equal(spanMs(735), '735 ms');
    assert.equal(ago('2026-01-02T03:04:05.000000Z', Date.parse('2026-01-02T03:04:09Z')), '4 s');
    assert.equal(ago(null, 0), '');
  });

  it('show times to the millisecond, in UTC unless told otherwise', () => {
    assert.equal(time('2026-01-02T03:04:05.789012Z'), '2026-01-02 03:04:05.789');
    assert.equal(time(null), '');
    assert.match(time('2026-01-02T03:04:05.789012Z', true), /^2026-01-0\d \d\d:\d\d:05\.789$/);
  });

  it('cut long texts between characters, and say how much is missing', () => {
    assert.equal(clip('abc', 3), 'abc');
    assert.equal(clip('abcd', 3), 'abc… (1 more characters)');
    // Three emoji are six code units, but fit.
    assert.equal(clip('🧾🧾🧾', 3), '🧾🧾🧾');
    assert.equal(clip('🧾🧾🧾🧾', 3), '🧾🧾🧾… (1 more characters)');
  });

  it('say what is wrong in one line', () => {
    assert.equal(detailText('no'), 'no');
    assert.equal(detailText({ message: 'User is blocked' }), 'User is blocked');
    assert.equal(
      detailText([{ loc: ['body', 'a', 0], msg: 'Field required' }]),
      'a.0: Field required',
    );
    const broken = { type: 'json_invalid', loc: ['body', 7], msg: 'JSON decode error' };
    assert.equal(detailText([broken]), 'JSON decode error at position 7');
    assert.equal(detailText(null), '');
  });

  it('show bytes in hexadecimal and ASCII', () => {
    const shown = hexDump(new TextEncoder().encode('{"a": "é"} 0123456789'), 20);
    assert.match(shown, /^000000 {2}7b 22 61 22 3a 20 22 c3 a9 22 7d .* {2}\{"a": "\.\."\} 0123$/m);
    assert.match(shown, /… 2 more bytes$/);
  });
});

describe('Filters in the URL', () => {
  it('are kept, changed and removed; a changed filter ends paging', () => {
    const query = new URLSearchParams('reason=a%20b&state=parked&after=1/2/3&other=x');
    assert.deepEqual(filtersIn(query, ['reason', 'state', 'q']), {
      reason: 'a b',
      state: 'parked',
    });
    assert.equal(
      withFilters('/p', query, { state: '', q: 'x&y' }),
      '/p?reason=a+b&other=x&q=x%26y',
    );
    assert.match(withFilters('/p', query, { after: '4/5/6' }), /after=4%2F5%2F6/);
    assert.equal(withFilters('/p', new URLSearchParams('a=1'), { a: null }), '/p');
  });

  it('come back as they went in, whatever they hold', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom('reason', 'q', 'shape'),
          fc.string({ unit: 'grapheme', minLength: 1 }),
        ),
        (filters) => {
          const url = new URL(
            withFilters('/p', new URLSearchParams(), filters),
            'http://localhost',
          );
          assert.deepEqual(filtersIn(url.searchParams, Object.keys(filters)), { ...filters });
        },
      ),
    );
  });

  it('find the page of a path and what the path is about', () => {
    const table = [
      ['/console', 1],
      ['/console/orders/*', 2],
    ];
    assert.deepEqual(matchPath('/console/', table), { page: 1, rest: '' });
    assert.deepEqual(matchPath('/console/orders/a%20b/c', table), { page: 2, rest: 'a b/c' });
    assert.deepEqual(matchPath('/console/orders/%zz', table), { page: 2, rest: '%zz' });
    assert.equal(matchPath('/console/others', table), null);
  });
});

describe('Differences of conflicts', () => {
  it('name each part that differs by its path', () => {
    const first = { a: 1, data: { items: [{ sku: 'x', n: 1 }], note: null } };
    const other = { a: 1, data: { items: [{ sku: 'x', n: 2 }, 'new'], note: null } };
    assert.deepEqual(differences(first, other), [
      { path: 'data.items.0.n', first: 1, other: 2 },
      { path: 'data.items.1', first: undefined, other: 'new' },
    ]);
    assert.deepEqual(differences([], {}, 'a'), [{ path: 'a', first: [], other: {} }]);
  });

  it('are none between equal values, and some between others', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (first, other) => {
        assert.deepEqual(differences(first, structuredClone(first)), []);
        const isSame = JSON.stringify(first) === JSON.stringify(other);
        if (!isSame && typeof first !== 'object')
          assert.notDeepEqual(differences(first, other), []);
      }),
    );
  });

  it('are grouped by source and fields, the most frequent first', () => {
    const one = (source: string, fields: string[], seen_at: string) => ({
      source,
      seen_at,
      differs: fields.map((field) => ({ field })),
    });
    const groups = groupConflicts([
      one('a', ['x'], '1'),
      one('b', ['y', 'x'], '2'),
      one('b', ['x', 'y'], '3'),
    ]);
    assert.deepEqual(groups, [
      { source: 'b', fields: 'x, y', count: 2, newest: '3' },
      { source: 'a', fields: 'x', count: 1, newest: '1' },
    ]);
  });
});

describe('Rows', () => {
  it('are touched only if they are gone, new or different', () => {
    const before = new Map([
      ['a', '1'],
      ['b', '1'],
      ['c', '1'],
    ]);
    const after = new Map([
      ['d', '1'],
      ['b', '2'],
      ['c', '1'],
    ]);
    assert.deepEqual(changesOf(before, after), { gone: ['a'], fresh: ['d', 'b'] });
    assert.deepEqual(changesOf(after, after), { gone: [], fresh: [] });
  });

  it('wait while somebody works on them, and are counted', () => {
    const nothing = { hasDialog: false, hasSelection: false, hasFocus: false, hasTicks: false };
    assert.equal(whyHeld(nothing), null);
    for (const fact of Object.keys(nothing)) assert.ok(whyHeld({ ...nothing, [fact]: true }), fact);
    assert.equal(countNew(['a', 'b'], ['c', 'a', 'd']), 2);
  });

  it('are ticked from one to the other in either direction', () => {
    const keys = ['a', 'b', 'c', 'd'];
    assert.deepEqual(rangeOf(keys, 'd', 'b'), ['b', 'c', 'd']);
    assert.deepEqual(rangeOf(keys, 'a', 'b'), ['a', 'b']);
    assert.deepEqual(rangeOf(keys, 'gone', 'b'), ['b']);
  });
});

describe('The stream', () => {
  it('is read the same however it is cut into pieces', () => {
    const text =
      'retry: 2000\n\n: still here\n\nevent: outcome\nid: 7\ndata: {"a":"b\\n"}\n\nevent: overview\nid: 8\ndata: {}\n\n';
    const whole = readEvents('', text).events;
    assert.deepEqual(whole, [
      { kind: 'outcome', id: '7', data: { a: 'b\n' } },
      { kind: 'overview', id: '8', data: {} },
    ]);
    fc.assert(
      fc.property(fc.array(fc.nat(text.length)), (cuts) => {
        const ends = [0, ...cuts.sort((a, b) => a - b), text.length];
        let rest = '';
        const events = ends.slice(1).flatMap((end, index) => {
          const read = readEvents(rest, text.slice(ends[index], end));
          rest = read.rest;
          return read.events;
        });
        assert.deepEqual(events, whole);
      }),
    );
    assert.deepEqual(readEvents('', 'data: {broken\n\n').events, []);
  });
});

describe('Charts and trends', () => {
  it('stack the series, below a round limit', () => {
    const stacked = stack([{ points: [1, 0] }, { points: [2, 3] }]);
    assert.deepEqual(stacked, [
      [
        [0, 1],
        [0, 0],
      ],
      [
        [1, 3],
        [0, 3],
      ],
    ]);
    assert.deepEqual([0, 1, 3, 21, 100, 101].map(axisLimit), [1, 1, 5, 50, 100, 200]);
  });

  it('tell rising from falling by the last minute', () => {
    const samples = (...values: number[]) =>
      values.map((value, index) => ({ at: index * 10_000, value }));
    assert.equal(trendOf(samples(1, 5, 9), 20_000), 'rising');
    assert.equal(trendOf(samples(900, 5), 10_000), 'falling');
    assert.equal(trendOf(samples(100, 101), 10_000), 'steady');
    assert.equal(trendOf(samples(1, 900), 600_000), '');
  });

  it('draw long gaps of a history, and none where a time is unknown', () => {
    const at = (text: string | null) => ({ at: text });
    const gaps = gapsOf([
      at(null),
      at('2026-01-01T00:00:00Z'),
      at(null),
      at('2026-01-01T00:02:00Z'),
    ]);
    assert.deepEqual(
      gaps.map(({ gapMs, isLong }: { gapMs: number; isLong: boolean }) => [gapMs, isLong]),
      [
        [null, false],
        [null, false],
        [null, false],
        [120_000, true],
      ],
    );
  });
});

describe('Payloads', () => {
  it('are fields by path with their errors, and numbers keep their digits', () => {
    const errors = [
      { loc: ['body', 'data', 'n'], msg: 'too large' },
      { loc: ['body', 'user_id'], msg: 'Field required' },
    ];
    const fields = fieldsOf(
      '{"amount": 99.9500, "data": {"n": 12345678901234567890, "e": {}}}',
      errors,
    );
    assert.deepEqual(fields, [
      { path: 'amount', value: '99.9500', errors: [] },
      { path: 'data.n', value: '12345678901234567890', errors: ['too large'] },
      { path: 'data.e', value: {}, errors: [] },
      { path: 'user_id', value: undefined, errors: ['Field required'] },
    ]);
    for (const text of ['[1]', '7', 'garbage', '', 'null']) assert.equal(fieldsOf(text, []), null);
  });
});

describe('Keys', () => {
  it('mean something alone or after g', () => {
    assert.deepEqual(meaningOf('/', ''), { action: 'search' });
    assert.deepEqual(meaningOf('d', 'g'), { go: '/console/dead-letters' });
    assert.equal(meaningOf('d', ''), null);
    assert.equal(meaningOf('toString', 'g'), null);
    assert.equal(meaningOf('toString', ''), null);
  });
});
