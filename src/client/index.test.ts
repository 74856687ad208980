import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { answering, rejectionOf } from '../../test/support/client-answers.ts';
import { createClient, Rejected, Unauthorized, Unavailable } from './index.ts';

describe('status', () => {
  it('throws Rejected, Unauthorized, or Unavailable where the answer is not that of the API', async (t) => {
    for (const [status, One] of [
      [422, Rejected],
      [401, Unauthorized],
      [404, Unavailable],
      [503, Unavailable],
    ] as const) {
      const headers = { 'retry-after': '3600' };
      const { client } = await answering(t, { status, headers, body: '{"detail":"Not Found"}' });
      const error = await rejectionOf(client.status('x'));
      assert.ok(error instanceof One, `${status}: ${error}`);
    }
  });
});

describe('createClient', () => {
  it('refuses what no request could use', () => {
    for (const url of ['', 'localhost', 'ftp://x', 'http://user:password@x']) {
      assert.throws(() => createClient({ url }), TypeError, url);
    }
    assert.throws(() => createClient({ url: 'http://x', apiKey: 'two\nlines' }), TypeError);
  });
});

describe('The files of the client', () => {
  it('import nothing but one another, and use no global of Node alone', () => {
    const folder = new URL('.', import.meta.url);
    const files = readdirSync(folder).filter((name) => !name.endsWith('.test.ts'));
    assert.ok(files.includes('index.ts'));
    for (const file of files) {
      const source = readFileSync(new URL(file, folder), 'utf8');
      for (const [, from] of source.matchAll(/\bfrom '([^']+)'|\bimport\('/g)) {
        assert.match(from ?? 'a dynamic import', /^\.\/[\w-]+\.ts$/, file);
      }
      const code = source.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
      assert.doesNotMatch(code, /\b(process|Buffer|setImmediate|require|__dirname|NodeJS)\b/, file);
    }
  });
});
