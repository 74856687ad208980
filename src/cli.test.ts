/** What the command line makes of its surroundings, as a process of its own. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { Orderonce } from '../test/support/processes.ts';

async function run(
  t: TestContext,
  env: Record<string, string>,
  dotEnv: string | Buffer = '',
  args = ['keys', 'new', 'shop', '--json'],
) {
  const cwd = mkdtempSync(join(tmpdir(), 'orderonce-cli-'));
  t.after(() => rmSync(cwd, { recursive: true }));
  writeFileSync(join(cwd, '.env'), dotEnv);
  const orderonce = new Orderonce(t, args, env, cwd);
  let answer = '';
  orderonce.child.stdout?.on('data', (chunk) => {
    answer += chunk;
  });
  return { code: await orderonce.exit(), answer, said: orderonce.output };
}

describe('orderonce', () => {
  it('stops at a name that would choose the embedded log in silence, unless the right one is given empty', async (t) => {
    const wrong = { KAFKA_BROKERS: 'kafka:9092' };
    const { code, said } = await run(t, wrong);
    assert.equal(code, 2);
    assert.match(
      said,
      /SETTING_INVALID.*KAFKA_BROKERS is not a setting; KAFKA_BOOTSTRAP_SERVERS is/,
    );
    assert.equal((await run(t, wrong, 'KAFKA_BOOTSTRAP_SERVERS=\r\n')).code, 0);
  });

  it('warns beside its answer, not within', async (t) => {
    const { code, answer, said } = await run(t, { LOG_LEVL: 'debug', KAFKA_HEAP_OPTS: '-Xmx1g' });
    assert.equal(code, 0);
    assert.match(said, /"unknown":\["LOG_LEVL"\].*LOG_LEVL is not a setting; LOG_LEVEL is/);
    assert.doesNotMatch(said, /KAFKA_HEAP_OPTS/);
    assert.ok(JSON.parse(answer));
  });

  it('stops at a line of .env that is none', async (t) => {
    const { code, said } = await run(t, {}, '\ufeffLOG_LEVEL=INFO\r\nKAFKA_TOPIC: x\r\n');
    assert.equal(code, 2);
    assert.match(said, /SETTING_INVALID.*\.env: line 2 does not have the form NAME=value/);
  });

  it('needs no settings to explain itself', async (t) => {
    for (const args of [['help'], ['verify', '-h'], ['--version'], ['completion', 'bash']]) {
      const { code, said } = await run(t, { KAFKA_BROKERS: 'kafka:9092' }, 'no line', args);
      assert.equal(code, 0, said);
    }
  });

  it('tells an error as JSON, beside its answer, if JSON is asked for', async (t) => {
    const args = ['verify', '--jsn', '--json'];
    const { code, answer, said } = await run(t, {}, '', args);
    assert.equal(answer, '');
    const { error } = JSON.parse(said);
    assert.deepEqual([code, error.exit_code, error.code], [2, 2, 'SETTING_INVALID']);
    assert.match(error.message, /Did you mean "--json"/);
  });

  it('ends with 3 if nothing answers', async (t) => {
    const args = ['status', '--url', 'http://127.0.0.1:1'];
    const { code, said } = await run(t, {}, '', args);
    assert.equal(code, 3, said);
    assert.match(said, /^orderonce: CONSUMER_UNREACHABLE: No consumer answers at/);
  });
});
