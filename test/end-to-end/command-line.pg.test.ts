/** The commands that ask a consumer, against a whole deployment, as an operator calls them. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { createDatabase } from '../support/database.ts';
import { type WireEvent, wireEvent } from '../support/events.ts';
import { freePort } from '../support/free-port.ts';
import { count } from '../support/heart.ts';
import { LEDGER_MODULE } from '../support/ledger-module.ts';
import { Orderonce, untilHealthy } from '../support/processes.ts';
import { Shop } from '../support/shop.ts';
import { until } from '../support/until.ts';

const REASON = 'refused_by_handler';

/** A deployment with three parked events, whose message would colour a terminal. */
async function setUp(t: TestContext) {
  const db = await createDatabase(t);
  await db.pool.query('CREATE TABLE ledger (event_id uuid); CREATE TABLE fixed (n int)');
  // Inside the repository, so that Node resolves "orderonce/handlers".
  const folder = await mkdtemp(join(import.meta.dirname, '.command-line-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const module = join(folder, 'handlers.mjs');
  await writeFile(module, LEDGER_MODULE.replace("'no'", "'no \\u001b[31mred'"));
  const [producer, consumer] = [await freePort(), await freePort()];
  const ports = { PRODUCER_PORT: String(producer), CONSUMER_PORT: String(consumer) };
  const env = { ...ports, DATABASE_URL: db.url, KAFKA_PARTITIONS: '1', LOG_LEVEL: 'warn' };
  new Orderonce(t, ['start'], { ...env, HANDLERS_MODULE: module });
  await untilHealthy(consumer);
  const shop = new Shop(producer);
  const run = async (...args: string[]) => {
    const command = new Orderonce(t, args, env);
    const said = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      command.child[name]?.on('data', (chunk) => {
        said[name] += chunk;
      });
    }
    return { code: await command.exit(), ...said };
  };
  const park = async (n: number) => {
    const parked: WireEvent[] = [];
    for (let i = 0; i < n; i++) {
      // One after the other: nothing is parked if all events of a batch are refused.
      const event = wireEvent({ total_amount: '666' });
      await shop.sendAll([event], 1);
      await until('it is parked', async () => (await count(db.pool, 'dead_letters')) > i);
      parked.push(event);
    }
    return parked;
  };
  /** On a machine that reaches nothing but the consumer. */
  const runAway = async (...args: string[]) => {
    const command = new Orderonce(t, [...args, '--url', `http://127.0.0.1:${consumer}`], {
      ORDERONCE_DATA_DIR: join(folder, 'nowhere'),
    });
    let stdout = '';
    command.child.stdout?.on('data', (chunk) => {
      stdout += chunk;
    });
    return { code: await command.exit(), stdout };
  };
  return { db, env, shop, run, runAway, park };
}

it('status, top, find, events and dead-letters tell a person and a program alike', async (t) => {
  const { shop, run, runAway, park } = await setUp(t);
  const fine = await run('status');
  assert.equal(fine.code, 0, JSON.stringify(fine));
  assert.match(fine.stdout, /^✔ Nothing needs you\./);
  const stored = wireEvent();
  await shop.sendAll([stored], 1);
  const [parked] = await park(2);
  const trouble = await until('it is noticed', async () => {
    const status = await run('status');
    return status.code === 1 ? status : null;
  });
  assert.match(trouble.stdout, new RegExp(`2 dead letters parked: ${REASON}`));
  const json = JSON.parse((await run('status', '--json')).stdout);
  assert.equal(json.verdict, 'look');
  const top = await run('top', '--seconds', '2');
  assert.equal(top.code, 0, top.stderr);
  assert.match(top.stdout, /^\S+Z {2}look .*2 parked.*\n\S+Z {2}look /);

  const found = await run('find', stored.event_id);
  assert.match(found.stdout, /^Event stored, at .*\n[\s\S]*requested[\s\S]* stored /);
  assert.equal((await run('find', parked?.event_id ?? '')).code, 0);
  const lost = await run('find', crypto.randomUUID(), '--json');
  assert.deepEqual([lost.code, lost.stdout], [4, '']);
  assert.equal(JSON.parse(lost.stderr).error.code, 'NOTHING_MATCHES');
  assert.equal((await run('find', 'no id')).code, 2);

  const tail = run('events', 'tail', '--seconds', '5', '--json');
  const sending = setInterval(() => void shop.send(stored), 200);
  const { stdout } = await tail;
  clearInterval(sending);
  const [first = ''] = stdout.split('\n');
  assert.deepEqual(
    [JSON.parse(first).outcome, JSON.parse(first).event_id],
    ['duplicate', stored.event_id],
  );

  const list = await run('dead-letters');
  assert.equal(list.code, 0);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that there is none is what is tested.
  assert.doesNotMatch(list.stdout, /\x1b/);
  assert.match(list.stdout, /Handler "ledger": no \\u001b\[31mred$/m);
  const [letter] = (await run('dead-letters', '--json')).stdout.split('\n').map((line) => line);
  const { place, log_id, event_id } = JSON.parse(letter ?? '');
  assert.deepEqual([place, log_id, event_id], [`1/0/1`, 1, parked?.event_id]);
  const shown = JSON.parse((await run('dead-letters', 'show', place, '--json')).stdout);
  assert.equal(JSON.parse(shown.value_text).event_id, parked?.event_id);
  for (const words of [
    ['dead-letters', 'list', '--state', 'parked', '--after', place],
    ['dead-letters', 'groups', '--json'],
    ['dead-letters', 'show', place],
    ['positions', 'list'],
    ['lag', '--json'],
  ]) {
    const { code, stdout } = await run(...words);
    assert.deepEqual(await runAway(...words), { code, stdout }, words.join(' '));
  }
  const misspelled = await run('dead-letters', 'list', '--reason', 'refused_by_handlers');
  assert.equal(misspelled.code, 4);
  assert.match(misspelled.stderr, /NOTHING_MATCHES: .*Did you mean "refused_by_handler"\?/);
});

it('a redrive is planned, is a job, and survives the command that started it', async (t) => {
  const { db, env, run, park } = await setUp(t);
  await park(3);
  const nowhere = await run('dead-letters', 'redrive', '1/0/999');
  assert.equal(nowhere.code, 4, nowhere.stdout);
  assert.match(
    nowhere.stderr,
    /DEAD_LETTER_UNKNOWN: There is no dead letter to redrive at 1\/0\/999/,
  );
  assert.equal((await run('dead-letters', 'redrive', '--reason', 'refused')).code, 4);

  const all = ['dead-letters', 'redrive', '--reason', REASON];
  const failed = await run(...all);
  assert.equal(failed.code, 1, failed.stderr);
  assert.match(failed.stdout, /^Redrive 1 \(redrive\) done: 3 of 3 tried, 3 failed\n$/);
  await db.pool.query('INSERT INTO fixed VALUES (1)');
  const plan = await run(...all, '--plan', '--json');
  assert.equal(plan.code, 0, plan.stderr);
  const { count: matching, outcomes } = JSON.parse(plan.stdout);
  assert.deepEqual([matching, outcomes], [3, { stored: 3 }]);
  assert.equal(await count(db.pool, 'ledger'), 0, 'a plan changes nothing');

  const slow = new Orderonce(t, [...all, '--rate', '1'], env);
  await slow.untilSays(/Redrive 2: 3 dead letters/);
  assert.equal(await slow.kill('SIGINT'), 130, slow.output);
  assert.match(slow.output, /To watch it: orderonce redrives watch 2 .*To stop it: .* stop 2/);
  const list = await run('redrives');
  assert.match(list.stdout, /^2 {2}redrive {2}(waiting|running|done) .*\n1 {2}redrive {2}done /);
  const watched = await run('redrives', 'watch', '2', '--json');
  assert.equal(watched.code, 0, watched.stderr);
  assert.deepEqual(JSON.parse(watched.stdout).outcomes, { stored: 3 });
  assert.equal(await count(db.pool, 'ledger'), 3);
  assert.equal((await run('redrives', 'stop', '77')).code, 4);
  const nothing = await run('dead-letters', 'redrive', '--all');
  assert.deepEqual([nothing.code, nothing.stdout], [0, 'No dead letter is parked\n']);
});
