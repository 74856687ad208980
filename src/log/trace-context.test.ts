import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  contextIn,
  contextOfRequest,
  isSampled,
  parseTraceparent,
  parseTracestate,
  spanIdOf,
  traceHeaders,
  traceIdOf,
} from './trace-context.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

describe('parseTraceparent', () => {
  it('accepts version 00, and later versions with fields that it does not know', () => {
    const sampled = `00-${TRACE}-${SPAN}-01`;
    assert.equal(parseTraceparent(sampled), sampled);
    assert.equal(parseTraceparent(` ${sampled}\t`), sampled);
    assert.equal(parseTraceparent(`00-${TRACE}-${SPAN}-03`), `00-${TRACE}-${SPAN}-03`);
    assert.equal(parseTraceparent(`cc-${TRACE}-${SPAN}-01`), sampled);
    assert.equal(parseTraceparent(`cc-${TRACE}-${SPAN}-01-what.the.future`), sampled);
    assert.equal(parseTraceparent(`00-${TRACE}-${SPAN}-fd`), sampled, 'unknown flags become 0');
  });

  it('refuses what the specification calls invalid', () => {
    const bad = [
      '',
      `ff-${TRACE}-${SPAN}-01`,
      `00-${TRACE}-${SPAN}-01-more`,
      `00-${TRACE}-${SPAN}-01-`,
      `cc-${TRACE}-${SPAN}-01.more`,
      `00-${'0'.repeat(32)}-${SPAN}-01`,
      `00-${TRACE}-${'0'.repeat(16)}-01`,
      `00-${TRACE.toUpperCase()}-${SPAN}-01`,
      `00-${TRACE}-${SPAN}-0`,
      `0-${TRACE}-${SPAN}-01`,
      `00-${TRACE.slice(1)}-${SPAN}-01`,
      `00_${TRACE}_${SPAN}_01`,
      `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`,
      `00-${TRACE}-${SPAN}-01\n`.repeat(2),
    ];
    for (const text of bad) assert.equal(parseTraceparent(text), null, text);
  });

  it('takes its own result unchanged, whatever it was given', () => {
    const likely = fc
      .tuple(
        fc.stringMatching(/^[\da-f]{2}$/),
        fc.stringMatching(/^[\da-f]{32}$/),
        fc.stringMatching(/^[\da-f]{16}$/),
        fc.stringMatching(/^[\da-f]{2}$/),
      )
      .map((parts) => parts.join('-'));
    fc.assert(
      fc.property(fc.oneof(fc.string(), likely), (text) => {
        const parsed = parseTraceparent(text);
        if (parsed === null) return;
        assert.match(parsed, /^00-[\da-f]{32}-[\da-f]{16}-0[0-3]$/);
        assert.equal(parseTraceparent(parsed), parsed);
      }),
    );
  });
});

describe('parseTracestate', () => {
  it('accepts lists of members, and removes what does not count', () => {
    assert.equal(
      parseTracestate('rojo=00f067aa0ba902b7,congo=t61'),
      'rojo=00f067aa0ba902b7,congo=t61',
    );
    assert.equal(parseTracestate(' a=1 , ,\tb@c=x y\t'), 'a=1,b@c=x y');
    const longest = `a=${'x'.repeat(252)},b=${'x'.repeat(255)}`;
    assert.equal(longest.length, 512);
    assert.equal(parseTracestate(longest), longest);
  });

  it('refuses members that are not valid, repeated, too many or too long', () => {
    const many = Array.from({ length: 33 }, (_, i) => `k${i}=1`).join(',');
    const bad = ['', ',', 'a', 'A=1', 'a=', 'a=1=2', 'a=ü', 'a@=1', 'a=1,a=2', 'a=\u0007', many];
    for (const text of bad) assert.equal(parseTracestate(text), null, text);
    assert.equal(parseTracestate(`a=${'x'.repeat(253)},b=${'x'.repeat(255)}`), null);
    assert.equal(parseTracestate(`${' '.repeat(5000)}a=1`), null);
  });
});

describe('contextOfRequest', () => {
  it('is null without a valid traceparent, and leaves out only a bad tracestate', () => {
    const traceparent = `00-${TRACE}-${SPAN}-01`;
    assert.equal(contextOfRequest({}), null);
    assert.equal(contextOfRequest({ tracestate: 'a=1' }), null);
    assert.equal(contextOfRequest({ traceparent: 'nonsense', tracestate: 'a=1' }), null);
    assert.deepEqual(contextOfRequest({ traceparent, tracestate: 'A' }), {
      traceparent,
      tracestate: null,
    });
    assert.deepEqual(contextOfRequest({ traceparent, tracestate: 'a=1' }), {
      traceparent,
      tracestate: 'a=1',
    });
  });
});

describe('the headers of a record', () => {
  it('carry the context there and back', () => {
    const context = { traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: 'a=1,b=2' };
    const foreign = [
      [null, Buffer.from('x')] as const,
      [Buffer.from('traceparent'), null] as const,
    ];
    assert.deepEqual(contextIn([...foreign, ...traceHeaders(context)]), context);
    assert.deepEqual(contextIn(traceHeaders({ ...context, tracestate: null })), {
      ...context,
      tracestate: null,
    });
    assert.deepEqual(traceHeaders(null), []);
    assert.equal(contextIn([[Buffer.from('traceparent'), Buffer.from('x')]]), null);
  });

  it('tell whether the trace is recorded, and its ids', () => {
    const context = { traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: null };
    assert.equal(isSampled(context), true);
    assert.equal(isSampled({ ...context, traceparent: `00-${TRACE}-${SPAN}-02` }), false);
    assert.equal(traceIdOf(context), TRACE);
    assert.equal(spanIdOf(context), SPAN);
  });
});
