/**
 * The rules of the structure of src/, each of which returns what breaks it, one sentence each.
 * ARCHITECTURE.md explains them to readers, and structure.test.ts holds the code to them.
 */
import type { Facts } from './sources.ts';

/**
 * The folders of src/ in the order in which imports may run: a file imports its own folder and those
 * before it. `errors` and `cli` are single files.
 */
export const FOLDERS = [
  'client',
  'errors',
  'event',
  'settings',
  'log',
  'runtime',
  'tracing',
  'store',
  'embedded',
  'handlers',
  'outbox',
  'log-kafka',
  'log-embedded',
  'access',
  'inbox',
  'ingest',
  'verify',
  'dead-letters',
  'positions',
  'consume',
  'admin',
  'services',
  'testing',
  'doctor',
  'commands',
  'cli',
];

/**
 * What a folder must not know, though its place would allow it: each of these imports would tie
 * together what ARCHITECTURE.md promises to be independent.
 */
export const APART: Readonly<Record<string, readonly string[]>> = {
  runtime: ['event', 'log'],
  tracing: ['event', 'client'],
  embedded: ['event', 'log'],
  outbox: ['handlers'],
  'log-kafka': ['store', 'embedded', 'handlers', 'outbox'],
  'log-embedded': ['handlers', 'outbox', 'log-kafka'],
  access: ['event', 'log', 'store'],
  inbox: ['outbox', 'log-kafka', 'log-embedded', 'access'],
  ingest: ['store', 'handlers', 'log-kafka', 'log-embedded', 'inbox'],
  verify: ['log-kafka', 'log-embedded', 'access', 'inbox'],
  'dead-letters': ['log-kafka', 'log-embedded', 'access', 'ingest'],
  positions: ['log-kafka', 'log-embedded', 'access', 'inbox'],
  consume: ['log-kafka', 'log-embedded', 'access', 'ingest'],
  admin: ['log-kafka', 'log-embedded', 'ingest', 'consume'],
  services: ['embedded'],
  testing: ['log-kafka', 'log-embedded', 'access', 'ingest', 'consume', 'admin', 'services'],
};

/** Longer ones are not read as one thing. */
export const FUNCTION_LINES_MAX = 70;

/** `src/store/pool.ts` → `store`, `src/cli.ts` → `cli`; the empty string for what lies outside src/. */
export function folderOf(path: string): string {
  return /^src\/([^/]+?)(?:\.ts$|\/)/.exec(path)?.[1] ?? '';
}

/** Imports against the order of FOLDERS, and files of folders that have no place in it. */
export function backwardImports(facts: Facts, folders: readonly string[] = FOLDERS): string[] {
  return [...facts].flatMap(([path, { imports }]) => {
    const place = folders.indexOf(folderOf(path));
    if (place < 0) return [`${path} is in a folder that is not listed: ${folderOf(path)}`];
    return imports.flatMap(({ to, line }) => {
      const target = folders.indexOf(folderOf(to));
      if (target >= 0 && target <= place) return [];
      const why = target < 0 ? 'which is not listed' : `which comes after ${folderOf(path)}`;
      return [`${path}:${line} imports ${to} of ${folderOf(to) || 'outside src/'}, ${why}`];
    });
  });
}

/** Imports of what a folder must not know. */
export function forbiddenImports(facts: Facts, apart = APART): string[] {
  return [...facts].flatMap(([path, { imports }]) =>
    imports
      .filter(({ to }) => apart[folderOf(path)]?.includes(folderOf(to)))
      .map(
        ({ to, line }) => `${path}:${line} imports ${to}, which ${folderOf(path)} must not know`,
      ),
  );
}

/** Circles of files that import one another; types count, since readers follow them too. */
export function circles(facts: Facts): string[] {
  const importsOf = new Map(
    [...facts].map(([path, { imports }]) => [
      path,
      new Set(imports.map(({ to }) => to).filter((to) => facts.has(to))),
    ]),
  );
  const found: string[] = [];
  for (;;) {
    removeLeaves(importsOf);
    // Each file that is left imports another one that is left: to follow them leads to a circle.
    const way: string[] = [];
    let [file] = importsOf.keys();
    while (file !== undefined && !way.includes(file)) {
      way.push(file);
      [file] = importsOf.get(file) ?? [];
    }
    if (file === undefined) return found;
    found.push([...way.slice(way.indexOf(file)), file].join(' → '));
    importsOf.get(way.at(-1) as string)?.delete(file);
  }
}

/** Files that import nothing are part of no circle, nor are those that import only such files. */
function removeLeaves(importsOf: Map<string, Set<string>>): void {
  for (;;) {
    const leaves = [...importsOf].filter(([, imports]) => imports.size === 0);
    if (leaves.length === 0) return;
    for (const [leaf] of leaves) importsOf.delete(leaf);
    for (const imports of importsOf.values()) for (const [leaf] of leaves) imports.delete(leaf);
  }
}

/** Statements of SQL outside src/store. */
export function sqlOutsideStore(facts: Facts): string[] {
  return [...facts]
    .filter(([path]) => folderOf(path) !== 'store')
    .flatMap(([path, { sql }]) =>
      sql.map(({ line, text }) => `${path}:${line} holds SQL: ${text.trim().slice(0, 60)}`),
    );
}

/** Functions, methods and arrow functions of more than FUNCTION_LINES_MAX lines. */
export function longFunctions(facts: Facts): string[] {
  return [...facts].flatMap(([path, { functions }]) =>
    functions
      .filter(({ lines }) => lines > FUNCTION_LINES_MAX)
      .map(({ line, name, lines }) => `${path}:${line} ${name} has ${lines} lines`),
  );
}
