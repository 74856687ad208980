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

/**
 * Commands in text and tables (`npx orderonce lag`) that the command line does not know.
 * @param help what `orderonce --help` prints.
 */
export function unknownCommands(page: string, markdown: string, help: string): string[] {
  const calls = [...markdown.matchAll(/(?:npx orderonce|node bin\/orderonce\.js) ([^`\n|#…]+)/g)];
  return calls.flatMap(([call, rest = '']) => {
    const [command = '', ...words] = rest.trim().split(/\s+/);
    const flags = words.flatMap((word) => /^--[a-z][a-z-]*/.exec(word) ?? []);
    const asHelpHasThem = [`orderonce ${command}`, ...flags];
    return asHelpHasThem
      .filter((what) => command !== '--help' && !new RegExp(`^  ${what}( |$)`, 'm').test(help))
      .map((what) => `${page}: "${call.trim()}": there is no ${what}`);
  });
}

/** All of the above, for all pages. */
export function commandProblems(root: string, help: string): string[] {
  return docPages(root).flatMap((page) => {
    const markdown = readFileSync(join(root, page), 'utf8');
    const marks = wrongMarks(root, blocksOf(page, markdown));
    return [...marks, ...unknownCommands(page, markdown, help)];
  });
}
