import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { blocksOf, commandProblems, unknownCommands, wrongMarks } from './shell-blocks.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const block = (mark: string, language = 'sh') => `Text\n\n${mark}\n\`\`\`${language}\nls\n\`\`\`\n`;
const wrongIn = (markdown: string) => wrongMarks(root, blocksOf('page.md', markdown));

describe('Commands of the documentation', () => {
  it('are all run by a test or marked, and exist', () => {
    assert.deepEqual(commandProblems(root), []);
  });

  it('may be run, or not for a reason', () => {
    for (const mark of ['run', 'run twice', 'run until: ready', 'not run: needs a cluster'])
      assert.deepEqual(wrongIn(block(`<!-- ${mark} -->`)), [], mark);
    assert.deepEqual(wrongIn(block('', 'ts')), []);
  });

  it('are reported with their place where no test runs them', () => {
    for (const mark of ['', '<!-- runs -->', '<!-- not run: -->', '<!-- run until: -->'])
      assert.match(wrongIn(block(mark)).join(), /^page\.md:4: no test runs these commands/, mark);
  });

  it('must not refer to a test that does not exist', () => {
    const [wrong] = wrongIn(
      block('<!-- not run: slow; test/end-to-end/gone.e2e.test.ts runs it -->'),
    );
    assert.match(wrong ?? '', /gone\.e2e\.test\.ts, which does not exist/);
  });

  it('are found in text too, where the command or its flag does not exist', () => {
    assert.deepEqual(unknownCommands('p.md', '`npx orderonce lag --json`'), []);
    const wrong = (text: string) => unknownCommands('p.md', text).join();
    assert.match(wrong('Run `npx orderonce la`.'), /Unknown command "la". Did you mean "lag"/);
    assert.match(wrong('`npx orderonce lag --jso`'), /Unknown option "--jso"/);
    assert.match(wrong('`npx orderonce lag --all`'), /"orderonce lag" does not take --all/);
  });
});
