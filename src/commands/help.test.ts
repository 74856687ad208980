/**
 * Every help text, as it was last looked at. After a change, write the files beside this test with
 * UPDATE_SNAPSHOTS=1 node --test src/commands/help.test.ts, and read what has changed.
 */
import assert from 'node:assert/strict';
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, it } from 'node:test';
import { SETTINGS } from '../settings/settings.ts';
import { readArguments } from './arguments.ts';
import { EXIT, EXIT_MEANINGS, GROUPS } from './command.ts';
import { COMMANDS } from './command-table.ts';
import { FLAGS } from './flags.ts';
import { commandHelp, overviewHelp, settingsHelp, settingsOf } from './help.ts';

const FOLDER = join(import.meta.dirname, 'help-texts');
const TEXTS: Readonly<Record<string, string>> = {
  help: overviewHelp(COMMANDS),
  settings: settingsHelp(),
  ...Object.fromEntries(COMMANDS.map((command) => [command.name, commandHelp(command)])),
};

describe('help', () => {
  it('has the texts that were last looked at', () => {
    mkdirSync(FOLDER, { recursive: true });
    for (const [name, text] of Object.entries(TEXTS)) {
      const file = join(FOLDER, `${name}.txt`);
      if (process.env.UPDATE_SNAPSHOTS === '1') writeFileSync(file, `${text}\n`);
      assert.equal(`${text}\n`, readFileSync(file, 'utf8'), `UPDATE_SNAPSHOTS=1 writes ${file}`);
    }
    const kept = globSync('*.txt', { cwd: FOLDER }).map((file) => basename(file, '.txt'));
    assert.deepEqual(kept.sort(), Object.keys(TEXTS).sort());
  });

  it('fits a screen', () => {
    assert.ok(overviewHelp(COMMANDS).split('\n').length <= 35);
    for (const [name, text] of Object.entries(TEXTS)) {
      const long = text
        .split('\n')
        .filter((line) => line.length > 98 && !line.includes('orderonce'));
      assert.deepEqual(long, [], name);
    }
  });
});

describe('the command table', () => {
  it('gives each command its group, a purpose, three examples and its exit codes', () => {
    for (const { name, group, purpose, examples, exits } of COMMANDS) {
      assert.ok(GROUPS.includes(group), name);
      assert.ok(purpose.length <= 60 && !purpose.endsWith('.'), name);
      assert.equal(examples.length, 3, name);
      assert.ok(EXIT.ok in exits && EXIT.usage in exits, name);
      for (const code of Object.keys(exits)) assert.ok(code in EXIT_MEANINGS, name);
    }
  });

  it('has only examples that are read as calls of their command', () => {
    for (const { name, examples } of COMMANDS) {
      for (const [call] of examples) {
        const words = wordsOf(call);
        const asked = readArguments(words, COMMANDS);
        assert.ok(asked.kind === 'run' && asked.command.name === name, call);
      }
    }
  });

  it('names each setting and each option, and none that there is not', () => {
    const read = COMMANDS.flatMap(settingsOf);
    assert.deepEqual(
      Object.keys(SETTINGS).filter((name) => !read.includes(name)),
      [],
    );
    for (const command of COMMANDS) {
      for (const one of command.settings) {
        assert.ok(settingsOf({ settings: [one] }).length > 0, `${command.name}: ${one}`);
      }
    }
    const taken = COMMANDS.flatMap(({ forms }) => forms.flatMap(({ flags }) => flags));
    const common = ['help', 'version', 'color'];
    const unused = Object.keys(FLAGS).filter((flag) => ![...taken, ...common].includes(flag));
    assert.deepEqual(unused, []);
  });
});

/** The words behind `orderonce` in a line of shell. */
function wordsOf(call: string): string[] {
  const [, rest = ''] = /orderonce (.*)/.exec(call) ?? [];
  const own = rest.replace(/[|>)].*$/, '');
  return [...own.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
}
