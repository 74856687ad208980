/** The diagrams of ARCHITECTURE.md, and whether what they say of the code is so. */
import { globSync, readFileSync } from 'node:fs';
import { ERRORS } from '../src/errors.ts';
import { folderDrawing } from './folder-diagram.ts';
import {
  DEAD_LETTER_TABLE,
  DEAD_LETTERS,
  DISCARDED,
  OUTCOMES,
  recordDrawing,
} from './record-diagram.ts';
import type { Facts } from './sources.ts';
import { type Drawing, svgOf, THEME_NAMES } from './svg.ts';
import { STEPS, type Step, transactionDrawing } from './transaction-diagram.ts';

/** By the name of their files. */
export function drawings(facts: Facts): Record<string, Drawing> {
  return {
    folders: folderDrawing(facts),
    transaction: transactionDrawing(),
    record: recordDrawing(),
  };
}

/** Path → SVG, for readers with a light and with a dark screen. */
export function diagramFiles(facts: Facts): Record<string, string> {
  return Object.fromEntries(
    Object.entries(drawings(facts)).flatMap(([name, drawing]) =>
      THEME_NAMES.map((theme) => [`docs/diagrams/${name}-${theme}.svg`, svgOf(drawing, theme)]),
    ),
  );
}

/** The statements that make our tables, one after the other. */
export function readMigrationsSql(root: string): string {
  const files = globSync('src/store/migrations/*.sql', { cwd: root }).sort();
  return files.map((file) => readFileSync(`${root}/${file}`, 'utf8')).join('\n');
}

/** What the diagrams name and the code does not have. */
export function staleParts(
  facts: Facts,
  migrations: string,
  steps: readonly Step[] = STEPS,
): string[] {
  const gone = steps
    .filter(({ code: [file, name] }) => !facts.get(`src/${file}`)?.exports.includes(name))
    .map(({ code: [file, name] }) => `src/${file} does not export ${name}`);
  const codes = steps
    .flatMap(({ endedBy = '' }) => (/^[A-Z_]+$/.test(endedBy) ? [endedBy] : []))
    .filter((code) => !(code in ERRORS))
    .map((code) => `src/errors.ts has no ${code}`);
  const tables = [...OUTCOMES.map(({ table }) => table), DEAD_LETTER_TABLE]
    .filter((table) => !new RegExp(`^CREATE TABLE ${table} \\(`, 'm').test(migrations))
    .map((table) => `No migration makes the table ${table}`);
  const states = [...DEAD_LETTERS, DISCARDED].map(({ name }) => `'${name}'`).join(', ');
  const isAllStates = migrations.includes(
    `state text NOT NULL CHECK (state IN (${states})),\n  reason`,
  );
  const ofStates = isAllStates ? [] : [`The states of a dead letter are not ${states}`];
  return [...gone, ...codes, ...tables, ...ofStates];
}
