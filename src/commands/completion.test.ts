import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
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

  for (const [shell, make] of [
    ['zsh', zshCompletion],
    ['fish', fishCompletion],
  ] as const) {
    it(`is a script that ${shell} reads`, { skip: !hasShell(shell) }, () => {
      const { status, stderr } = spawnSync(shell, ['-n'], { input: make(words), encoding: 'utf8' });
      assert.equal(status, 0, stderr);
    });
  }
});
