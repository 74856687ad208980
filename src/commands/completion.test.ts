import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { COMMANDS } from './command-table.ts';
import { bashCompletion } from './completion/bash.ts';
import { fishCompletion } from './completion/fish.ts';
import { completionWords } from './completion/model.ts';
import { pwshCompletion } from './completion/pwsh.ts';
import { zshCompletion } from './completion/zsh.ts';

const words = completionWords(COMMANDS);
const hasShell = (shell: string) => spawnSync(shell, ['-c', 'exit 0']).status === 0;

/** What bash offers for the last of these words. */
function offered(...typed: string[]): string[] {
  const call = ['orderonce', ...typed].map((word) => `'${word}'`).join(' ');
  const script = `${bashCompletion(words)}
COMP_WORDS=(${call}); COMP_CWORD=${typed.length}; _orderonce; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
  assert.equal(stderr, '');
  return stdout.split('\n').filter(Boolean);
}

describe('completion', () => {
  it('offers in bash commands, actions, values, and the options of the action', () => {
    assert.deepEqual(offered('st'), ['start', 'status']);
    assert.ok(offered('').includes('dead-letters'));
    assert.deepEqual(offered('dead-letters', 're'), ['redrive']);
    assert.deepEqual(offered('dead-letters', 'redrive', '--p'), ['--plan']);
    assert.deepEqual(offered('dead-letters', '--st'), ['--state']);
    assert.deepEqual(offered('dead-letters', '--state', 'p'), ['parked']);
    assert.deepEqual(offered('--state', 'parked', 'dead-letters', 'sh'), ['show']);
    assert.deepEqual(offered('health', ''), ['producer', 'consumer']);
    assert.deepEqual(offered('lag', '--kafka-gr'), ['--kafka-group-id']);
    assert.deepEqual(offered('find', '--kafka-gr'), []);
    assert.deepEqual(offered('dead-letters', '--event', ''), []);
    assert.ok(offered('help', '').includes('settings'));
  });

  it('has every command and option in each shell', () => {
    const scripts = [bashCompletion, zshCompletion, fishCompletion, pwshCompletion];
    for (const script of scripts.map((make) => make(words))) {
      for (const { name, forms } of words) {
        assert.ok(script.includes(name), name);
        for (const { options } of forms) {
          for (const option of options)
            assert.ok(script.includes(option.name.slice(2)), option.name);
        }
      }
    }
  });

  it('offers in zsh the same, with what each word means', { skip: !hasShell('zsh') }, () => {
    const offer = (...typed: string[]) => {
      const call = ['orderonce', ...typed].map((word) => `'${word}'`).join(' ');
      // The parts of zsh that show what was found.
      const shown = `compdef() { }; _files() { }; _describe() { print -l -- \${(P)2} }`;
      const script = `${shown}\n${zshCompletion(words)}\nwords=(${call}); CURRENT=${typed.length + 1}; _orderonce`;
      const { stdout, stderr } = spawnSync('zsh', ['-c', script], { encoding: 'utf8' });
      assert.equal(stderr, '');
      return stdout.split('\n');
    };
    assert.ok(offer('').includes('verify:Proves that every record has exactly one outcome'));
    assert.ok(offer('dead-letters', '').includes('groups:Counts them by cause'));
    assert.ok(offer('dead-letters', 'redrive', '--').some((line) => line.startsWith('--plan:')));
    assert.deepEqual(offer('top', '--only', '').slice(0, 3), ['outcome', 'overview', 'redrive']);
  });

  it('offers in fish the same', { skip: !hasShell('fish') }, (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'orderonce-fish-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'completion.fish');
    writeFileSync(file, fishCompletion(words));
    const offer = (line: string) => {
      const script = `source ${file}; complete -C '${line}'`;
      const { stdout, stderr } = spawnSync('fish', ['-c', script], { encoding: 'utf8' });
      assert.equal(stderr, '');
      return stdout.split('\n').map((one) => one.split('\t')[0]);
    };
    assert.deepEqual(offer('orderonce st').slice(0, 2), ['start', 'status']);
    assert.deepEqual(offer('orderonce dead-letters re').slice(0, 1), ['redrive']);
    assert.ok(offer('orderonce dead-letters redrive --pl').includes('--plan'));
    assert.deepEqual(offer('orderonce dead-letters --state p').slice(0, 1), ['parked']);
    assert.ok(!offer('orderonce find --').includes('--plan'));
  });
});
