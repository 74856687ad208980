/** The commands that documents, messages and the console tell people to run are read as such. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readArguments } from '../src/commands/arguments.ts';
import { COMMANDS } from '../src/commands/command-table.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(`${root}/${path}`, 'utf8');

/** Stands for any command. */
const PLACEHOLDER = /^[A-Z]+$/;
/** A part of a sentence that names a command only by its beginning. */
const NAMES = /^[a-z-]+( [a-z-]+)?$/;

/** @returns why it is no call of a command; null if it is one. */
function problemOf(call: string): string | null {
  const words = [...call.matchAll(/"([^"]*)"|(\S+)/g)].map(
    ([, quoted, bare]) => quoted ?? bare ?? '',
  );
  try {
    readArguments(words, COMMANDS);
    return null;
  } catch (error) {
    const { message } = error as Error;
    // `orderonce dead-letters discard` may be named without what it needs.
    return NAMES.test(call) && /is missing/.test(message) ? null : `orderonce ${call}: ${message}`;
  }
}

describe('commands', () => {
  it('in documents are calls that are understood', () => {
    const pages = globSync(['*.md', 'docs/**/*.md', 'bench/*.md'], { cwd: root });
    const calls = pages
      .filter((page) => page !== 'CHANGELOG.md')
      .flatMap((page) =>
        read(page)
          .replaceAll(/\\\n\s*/g, '')
          .split('\n')
          .flatMap((line) => [...line.matchAll(/\bnpx orderonce ([^`#|]+)/g)])
          .map(([, call = '']) => call.replace(/ (>|&&).*$/, '').trim()),
      );
    assert.ok(calls.length > 50, String(calls.length));
    const problems = calls
      .filter((call) => !PLACEHOLDER.test(call.split(' ')[0] ?? ''))
      .map(problemOf);
    assert.deepEqual(
      problems.filter((problem) => problem !== null),
      [],
    );
  });

  it('in messages and in the console are calls that are understood', () => {
    // The examples of the command table have a test of their own.
    const files = globSync('src/**/*.{ts,js}', { cwd: root }).filter(
      (file) => !/\.test\.ts$|table[\w-]*\.ts$/.test(file),
    );
    const calls = files.flatMap((file) =>
      [...read(file).matchAll(/["'](?:npx )?orderonce ([a-z][^"'$]*?)["']/g)].map(
        ([, call = '']) => call,
      ),
    );
    assert.ok(calls.length > 20, String(calls.length));
    assert.deepEqual(
      calls.map(problemOf).filter((problem) => problem !== null),
      [],
    );
  });
});
