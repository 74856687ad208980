/**
 * The commands of the documentation. Each fenced shell block of README.md and docs/ follows a
 * comment that readers do not see, and that says what the test test/docs/commands.package.test.ts
 * does with it:
 *
 *   <!-- run -->                  runs it; lines that begin with "# " are the output, … stands for any text
 *   <!-- run twice -->            the same, twice
 *   <!-- run until: TEXT -->      starts it, waits until it prints TEXT, and leaves it running
 *   <!-- not run: REASON -->      does not run it; files that the reason names must exist
 *
 * Code blocks that begin with the comment of a file's name (`// handlers.ts`) are that file for the
 * commands behind them.
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readArguments } from '../src/commands/arguments.ts';
import { COMMANDS } from '../src/commands/command-table.ts';

export type Block = {
  readonly page: string;
  /** Of its first line, the fence; from 1. */
  readonly line: number;
  /** Of the fence: `sh`, `ts`, … */
  readonly language: string;
  readonly text: string;
  /** What the comment before it says; undefined without one. */
  readonly mark: string | undefined;
};

const MARK = /^<!-- (.+) -->$/;
const MARKS = /^(?:run|run twice|run until: .+|not run: .+)$/;
const SHELLS = ['sh', 'bash', 'shell', 'console'];

export function isShell({ language }: Block): boolean {
  return SHELLS.includes(language);
}

/** README.md first, as a reader comes by them. */
export function docPages(root: string): string[] {
  return ['README.md', ...globSync('docs/**/*.md', { cwd: root }).sort()];
}

/** The fenced blocks of a page, in order. */
export function blocksOf(page: string, markdown: string): Block[] {
  const lines = markdown.split('\n');
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length; at++) {
    const fence = /^```(.*)$/.exec(lines[at] as string);
    if (fence === null) continue;
    const end = lines.indexOf('```', at + 1);
    const text = lines.slice(at + 1, end).join('\n');
    const mark = MARK.exec(lines[at - 1] ?? '')?.[1];
    blocks.push({ page, line: at + 1, language: (fence[1] as string).trim(), text, mark });
    at = end;
  }
  return blocks;
}

/** What is wrong with the marks of a page, one sentence each. */
export function wrongMarks(root: string, blocks: readonly Block[]): string[] {
  return blocks.filter(isShell).flatMap(({ page, line, mark }) => {
    const place = `${page}:${line}`;
    if (mark === undefined || !MARKS.test(mark)) {
      return [
        `${place}: no test runs these commands: see scripts/shell-blocks.ts for how to mark them`,
      ];
    }
    const files = mark.startsWith('not run: ') ? mark.match(/[\w./-]+\.(?:ts|sh)\b/g) : null;
    return (files ?? [])
      .filter((file) => !existsSync(join(root, file)))
      .map((file) => `${place}: the mark names ${file}, which does not exist`);
  });
}

/** Commands in text, tables and blocks that the command line does not understand. */
export function unknownCommands(page: string, markdown: string): string[] {
  const lines = markdown.replaceAll(/\\\n\s*/g, '').split('\n');
  const calls = lines.flatMap((line) => [
    ...line.matchAll(/(?:npx orderonce|node bin\/orderonce\.js) ([^`\n|#…]+)/g),
  ]);
  return calls.flatMap(([, rest = '']) => {
    const call = rest.replace(/ (>|&&).*$/, '').trim();
    const problem = PLACEHOLDER.test(call.split(' ')[0] ?? '') ? null : callProblem(call);
    return problem === null ? [] : [`${page}: ${problem}`];
  });
}

/** Stands for any command. */
const PLACEHOLDER = /^[A-Z]+$/;
/** A part of a sentence that names a command only by its beginning. */
const NAMES = /^[a-z-]+( [a-z-]+)?$/;

/** @returns why `orderonce CALL` is not understood; null if it is. */
export function callProblem(call: string): string | null {
  const parts = [...call.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)];
  const words = parts.map(([, double, single, bare]) => double ?? single ?? bare ?? '');
  try {
    readArguments(words, COMMANDS);
    return null;
  } catch (error) {
    const { message } = error as Error;
    return NAMES.test(call) && /is missing/.test(message) ? null : `orderonce ${call}: ${message}`;
  }
}

/** All of the above, for all pages. */
export function commandProblems(root: string): string[] {
  return docPages(root).flatMap((page) => {
    const markdown = readFileSync(join(root, page), 'utf8');
    const marks = wrongMarks(root, blocksOf(page, markdown));
    return [...marks, ...unknownCommands(page, markdown)];
  });
}
