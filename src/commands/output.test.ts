import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hasColor, Output, plain } from './output.ts';
import { snakeCase } from './snake-case.ts';
import { sseEvents } from './sse-events.ts';

function streams() {
  const said = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof said) => ({
    write: (text: string) => {
      said[name] += text;
    },
  });
  return { said, io: { stdout: stream('stdout'), stderr: stream('stderr'), env: {} } };
}

describe('Output', () => {
  it('keeps data and talk apart, and writes no colour into a file', () => {
    const { said, io } = streams();
    const out = new Output({}, io);
    out.data(out.paint('red', 'text'), { a: 1 });
    out.say('talk');
    out.progress('50 %');
    new Output({ json: true }, io).data('text', { a: 1 });
    assert.deepEqual(said, { stdout: 'text\n{"a":1}\n', stderr: 'talk\n' });
    assert.equal(new Output({ color: 'always' }, io).paint('red', 'x'), '\x1b[31mx\x1b[39m');
  });

  it('decides on colour by flag, NO_COLOR, FORCE_COLOR and terminal, in this order', () => {
    const cases: [string | undefined, Record<string, string>, boolean, boolean][] = [
      [undefined, {}, true, true],
      [undefined, {}, false, false],
      [undefined, { TERM: 'dumb' }, true, false],
      [undefined, { NO_COLOR: '1' }, true, false],
      [undefined, { NO_COLOR: '' }, true, true],
      [undefined, { FORCE_COLOR: '1' }, false, true],
      [undefined, { FORCE_COLOR: '0' }, true, false],
      [undefined, { NO_COLOR: '1', FORCE_COLOR: '1' }, true, false],
      ['always', { NO_COLOR: '1' }, false, true],
      ['never', { FORCE_COLOR: '1' }, true, false],
      ['auto', {}, true, true],
    ];
    for (const [when, env, isTTY, expected] of cases) {
      assert.equal(hasColor(when, env, isTTY), expected, JSON.stringify([when, env, isTTY]));
    }
  });
});

it('plain shows what would move a cursor, forge a line or reorder text', () => {
  assert.equal(plain('a\x1b[2Jb\r\nc\u202ed\x9bé'), 'a\\u001b[2Jb\\u000d\\u000ac\\u202ed\\u009bé');
  assert.equal(plain('x'.repeat(9), 5), 'xxxx…');
});

it('snakeCase renames at every depth, and changes no value', () => {
  const value = { isProven: true, offsets: [{ logId: 1, kind: 'notLost' }], log: null };
  const expected = { is_proven: true, offsets: [{ log_id: 1, kind: 'notLost' }], log: null };
  assert.deepEqual(snakeCase(value), expected);
});

it('sseEvents reads events however the bytes are cut', async () => {
  const text =
    ': hi\n\nevent: outcome\nid: 7\ndata: {"a":"é"}\n\nretry: 2000\n\ndata: 1\ndata: 2\n\n';
  const bytes = Buffer.from(text);
  for (let size = 1; size < bytes.length; size++) {
    const found: unknown[] = [];
    const chunks = async function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    };
    for await (const event of sseEvents(chunks())) found.push(event);
    assert.deepEqual(found, [
      { event: 'outcome', id: '7', data: '{"a":"é"}' },
      { event: 'message', id: null, data: '1\n2' },
    ]);
  }
});
