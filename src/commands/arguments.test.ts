import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readArguments } from './arguments.ts';
import { COMMANDS } from './command-table.ts';

const read = (line: string) => readArguments(line.split(' ').filter(Boolean), COMMANDS);
const runOf = (line: string) => {
  const asked = read(line);
  assert.equal(asked.kind, 'run', line);
  return asked as Extract<typeof asked, { kind: 'run' }>;
};
const refused = (line: string, message: RegExp) =>
  assert.throws(() => read(line), { code: 'SETTING_INVALID', message }, line);

describe('readArguments', () => {
  it('finds command, action, words, options and settings, in any order', () => {
    const { command, form, words, flags, settings } = runOf(
      '--json dead-letters --consumer-port 8011 show 1/5/0 --color=never',
    );
    assert.deepEqual([command.name, form.action, words], ['dead-letters', 'show', ['1/5/0']]);
    assert.deepEqual(flags, { json: true, color: 'never' });
    assert.deepEqual(settings, { CONSUMER_PORT: '8011' });
  });

  it('takes the first action if none is given, and "-" for a word', () => {
    assert.equal(runOf('positions --json').form.action, 'list');
    assert.deepEqual(runOf('send -').words, ['-']);
  });

  it('understands the ways to ask for help and version', () => {
    for (const line of ['', 'help', '-h', '--help', '--json --help']) {
      const asked = read(line);
      assert.ok(asked.kind === 'help' && asked.topic === null, line);
    }
    for (const line of ['help verify', 'verify -h', 'verify --help', 'verify --all -h']) {
      const asked = read(line);
      assert.ok(asked.kind === 'help' && asked.topic === 'verify', line);
    }
    assert.equal(read('--version').kind, 'version');
  });

  it('says what was probably meant', () => {
    refused('verfy', /^Unknown command "verfy". Did you mean "verify"\?/);
    refused('deadletters', /Did you mean "dead-letters"\?/);
    refused('pos', /Did you mean "positions"\?/);
    refused('constructor', /^Unknown command "constructor"\. See "orderonce help"/);
    refused('dead-letters redriv', /Unknown action "redriv". Did you mean "redrive"\?/);
    refused('dead-letters zap', /Actions: list, groups, show, audit, redrive, edit, discard/);
    refused('dead-letters --resaon x', /Unknown option "--resaon". Did you mean "--reason"\?/);
    refused('lag --kafka-tpoic x', /Did you mean "--kafka-topic"\?/);
    refused('lag -x', /Unknown option "-x"/);
    refused('health cosumer', /SERVICE cannot be "cosumer". Did you mean "consumer"\?/);
  });

  it('refuses what a command does not take, before anything is done', () => {
    refused('verify --all', /"orderonce verify" does not take --all. It takes --against-log/);
    refused('dead-letters show 1/5/0 --reason x', /does not take --reason. It takes --url, --json/);
    refused('start --json', /It takes settings only/);
    refused('dead-letters show', /PLACE is missing. Usage: orderonce dead-letters show PLACE/);
    refused('dead-letters show 1/5/0 1/5/1', /Too many arguments: "1\/5\/1"/);
    refused('dead-letters discard 1/5/0', /--reason is missing/);
  });

  it('takes no option for the value of another one', () => {
    refused('dead-letters --reason --json', /needs a value, and "--json" looks like an option/);
    refused('dead-letters --reason', /--reason needs a value/);
    refused('verify --json=yes', /--json takes no value/);
    refused('verify --color=pink', /--color must be auto, always, never/);
    assert.equal(runOf('dead-letters --reason=-x').flags.reason, '-x');
    assert.equal(runOf('dead-letters --reason=').flags.reason, '');
  });
});
