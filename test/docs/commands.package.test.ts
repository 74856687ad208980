/**
 * The commands of README.md and docs/, run as a reader would paste them, page by page, into a shell
 * in a fresh clone. scripts/shell-blocks.ts says how a page marks what is run.
 *
 * Ports 8000 and 8001 are replaced by free ones, and the example's dead letter by a real one.
 */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import pg from 'pg';
import { type Block, blocksOf, docPages, isShell } from '../../scripts/shell-blocks.ts';
import { wireEvent } from '../support/events.ts';
import { freePort } from '../support/free-port.ts';
import { bashArgs, type Running, runShell, startRunning } from '../support/running.ts';
import { ROOT, run, temporaryFolder } from '../support/tarball.ts';
import { until } from '../support/until.ts';

/** Written into the project by `orderonce init`, so without marks. */
const INIT_README = 'src/commands/init/README.md.txt';
const BLOCK_MS = 300_000;
const SHOWN_WITHIN = { withinMs: 20_000, everyMs: 500 };

const { folder, remove } = temporaryFolder();
/** README.md calls the folder of the clone so. */
const clone = join(folder, 'orderonce');
const ports = { producer: 0, consumer: 0 };
let deadLetter = '';
let service: Running | undefined;

before(async () => {
  const files = run(ROOT, ['git', 'ls-files', '--cached', '--others', '--exclude-standard']);
  for (const file of files.trim().split('\n')) cpSync(join(ROOT, file), join(clone, file));
  ports.producer = await freePort();
  ports.consumer = await freePort();
});
after(async () => {
  await stopService();
  remove();
});

for (const page of docPages(ROOT)) {
  const all = blocksOf(page, readFileSync(join(ROOT, page), 'utf8'));
  if (!all.some(({ mark }) => mark?.startsWith('run'))) continue;
  describe(page, () => {
    for (const block of all) {
      const file = /^(?:\/\/|--) ([\w./-]+\.\w+)\n/.exec(block.text)?.[1];
      if (!isShell(block) && file !== undefined) {
        it(`line ${block.line}: ${file}`, () => write(file, block.text));
      }
      const { mark = '' } = block;
      if (!isShell(block) || !mark.startsWith('run')) continue;
      const [title] = block.text.split('\n');
      it(`line ${block.line}: ${title}`, { timeout: BLOCK_MS }, async () => {
        await PREPARED[page]?.();
        const [, text] = /^run until: (.+)$/.exec(mark) ?? [];
        if (text !== undefined) return await startService(clone, block.text, text);
        if (mark === 'run twice') await runOnce(block);
        await runOnce(block);
      });
    }
  });
  // The project that README.md makes has a README of its own.
  if (page !== 'README.md') continue;
  it('the README of the project that init writes', { timeout: BLOCK_MS }, async () => {
    const template = readFileSync(join(ROOT, INIT_README), 'utf8');
    const [block] = blocksOf(INIT_README, template).filter(isShell);
    assert.ok(block);
    await startService(join(folder, 'shop'), block.text, 'Orderonce runs');
  });
}

/** What a page takes for granted; before each of its blocks. */
const PREPARED: Readonly<Record<string, () => void | Promise<void>>> = {
  'docs/dead-letters.md': async () => {
    // A user whose charges the example refuses.
    await startService(
      clone,
      'HANDLERS_MODULE=examples/charge/handlers.ts HANDLERS_MIGRATIONS=examples/charge npm start',
      'Orderonce runs',
    );
    const url = readFileSync(join(clone, '.orderonce', 'database-url'), 'utf8').trim();
    const database = new pg.Client(url);
    await database.connect();
    await database.query(`INSERT INTO charge_balances VALUES ('eve', 0, true)`);
    await database.end();
    const event = wireEvent({ user_id: 'eve' });
    await post(event);
    write('fixed.json', JSON.stringify({ ...event, user_id: 'ann' }));
    deadLetter = await until('the event is parked', async () => {
      const answer = await fetch(`http://localhost:${ports.consumer}/dead-letters`);
      const { items } = (await answer.json()) as { items: Record<string, number>[] };
      const [first] = items;
      return first && `${first.log_id}/${first.partition}/${first.offset}`;
    });
  },
  'docs/operations.md': () => {
    const lines = [wireEvent(), wireEvent()].map((event) => JSON.stringify(event)).join('\n');
    writeFileSync(join(clone, 'events.gz'), gzipSync(`${lines}\n`));
  },
  'docs/sending-events.md': () => {
    // The build of `npm pack`, which a reader of this page may not have made.
    rmSync(join(clone, 'dist'), { recursive: true, force: true });
    write('events.ndjson', `${JSON.stringify(wireEvent())}\n`);
  },
  // From the page on operations, which sends events.
  'docs/verify.md': () => cpSync(join(clone, 'stdin.receipts'), join(clone, 'receipts.jsonl')),
};

function write(file: string, text: string): void {
  mkdirSync(dirname(join(clone, file)), { recursive: true });
  writeFileSync(join(clone, file), `${text}\n`);
}

async function post(event: object): Promise<void> {
  const { status } = await fetch(`http://localhost:${ports.producer}/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(event),
  });
  assert.equal(status, 202);
}

function here(text: string): string {
  return text
    .replaceAll('localhost:8000', `localhost:${ports.producer}`)
    .replaceAll('localhost:8001', `localhost:${ports.consumer}`)
    .replaceAll('1/5/0', deadLetter || '1/5/0');
}

function env(): Record<string, string> {
  return {
    PRODUCER_PORT: String(ports.producer),
    CONSUMER_PORT: String(ports.consumer),
    // For the programs in examples/client.
    ORDERONCE_URL: `http://localhost:${ports.producer}`,
  };
}

/** Starts it in the place of the one that runs, and waits until it prints the text. */
async function startService(cwd: string, commands: string, text: string): Promise<void> {
  await stopService();
  const options = { cwd, env: env(), text, withinMs: BLOCK_MS };
  service = await startRunning(['bash', ...bashArgs(here(commands))], options);
}

async function stopService(): Promise<void> {
  const stopping = service;
  service = undefined;
  await stopping?.stop();
}

/** Runs it to its end. Where the page shows output, it is run until the output is that one. */
async function runOnce({ text }: Block): Promise<void> {
  const expected = text.split('\n').flatMap((line) => /^# (.+)$/.exec(line)?.[1] ?? []);
  const outputOf = () => runShell(here(text), { cwd: clone, env: env() });
  let seen = await outputOf();
  if (expected.length === 0) return;
  const isAsShown = async () => {
    if (shownAs(expected).test(seen)) return true;
    seen = await outputOf();
    return false;
  };
  await until('the output is as the page shows it', isAsShown, SHOWN_WITHIN).catch(() =>
    assert.fail(`The page shows\n${expected.join('\n')}\nbut this is printed:\n${seen}`),
  );
}

/** The lines in this order, with any text for an ellipsis, and any duration. */
function shownAs(lines: readonly string[]): RegExp {
  const patterns = lines.map((line) =>
    line
      .replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
      .replaceAll(/,? ?…/g, '.*')
      .replaceAll(/\d+\\\.\d+ s\b/g, '\\d+\\.\\d+ s'),
  );
  return new RegExp(patterns.join('[^]*'));
}
