import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readDotEnv } from './dot-env.ts';

const read = (text: string | Buffer) =>
  readDotEnv(Buffer.from(text), (name) => name.startsWith('KAFKA_'));
const refused = (text: string | Buffer, message: RegExp) =>
  assert.throws(() => read(text), { code: 'SETTING_INVALID', message });

describe('readDotEnv', () => {
  it('reads assignments as compose and shells do', () => {
    const cases: Record<string, string> = {
      'A=1': '1',
      '  A = 1  ': '1',
      'export A=1': '1',
      'A=': '',
      'A= # nothing': '',
      'A=1 # one': '1',
      'A=1\t# one': '1',
      'A=pa#ss': 'pa#ss',
      'A=#ff': '#ff',
      'A=b c': 'b c',
      'A=b=c': 'b=c',
      "A=it's": "it's",
      'A="b # c" # d': 'b # c',
      'A=\'b "c" \\n\'# e': 'b "c" \\n',
      'A="b\\n\\"c\\" \\$ \\\\ C:\\data"': 'b\n"c" $ \\ C:\\data',
      'A=`b`': 'b',
      'A="b\nc"': 'b\nc',
      'A=${OTHER}': `\${OTHER}`,
    };
    for (const [text, value] of Object.entries(cases)) assert.deepEqual(read(text), { A: value });
  });

  it('takes what editors of Windows write: CRLF and a byte order mark', () => {
    const file = '\ufeff# ours\r\nKAFKA_TOPIC=a\r\n\r\nB="c\r\nd"\r\n';
    assert.deepEqual(read(file), { KAFKA_TOPIC: 'a', B: 'c\nd' });
  });

  it('says which line is none, and repeats nothing of it', () => {
    const wrong = ['KAFKA_TOPIC: secret', 'secret', 'set A=secret', '$env:A="secret"', '1A=secret'];
    for (const line of [...wrong, 'export A', '=secret', 'A B=secret', '- A=secret', '/* secret']) {
      assert.throws(
        () => read(`A=1\n# two\n${line}\nB=1`),
        (error: Error) => {
          assert.match(error.message, /line 3 does not have the form NAME=value/, line);
          assert.doesNotMatch(error.message, /secret/);
          return true;
        },
      );
    }
    refused('A\nB=1\nC', /line 1 .*; line 3 /);
  });

  it('refuses what could be meant in two ways', () => {
    refused('A="b', /line 1 opens a " that is never closed/);
    refused("A=1\nB='c\nD=e", /line 2 opens a ' that is never closed/);
    refused('A="b" c', /line 1 has text after the quoted value of A/);
    refused("A='b\nC='d'", /line 2 has text after/);
    refused('A=1\nB=2\nA=2', /lines 1 and 3 give A different values/);
    refused('A=1\rB=2', /carriage return/);
    refused(`KAFKA_TOPIC=\${PREFIX}_orders`, /line 1: \$\{…\} is not replaced here/);
    assert.deepEqual(read('A=1\nA=1'), { A: '1' });
  });

  it('refuses other encodings, and says which', () => {
    refused(
      Buffer.from('\ufeffA=1', 'utf16le'),
      /\.env cannot be read, because it is UTF-16: save it as UTF-8/,
    );
    refused(Buffer.from('A=1', 'utf16le'), /UTF-16/);
    refused(Buffer.from('A=Zo\xeb', 'latin1'), /another encoding: save it as UTF-8/);
  });

  it('takes any value in single quotes as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const value = text.replace(/['\0\r]/g, '').toWellFormed();
        assert.deepEqual(read(`A='${value}'`), { A: value });
      }),
      { examples: [['\t\n'], [' \n \n ']] },
    );
  });
});
