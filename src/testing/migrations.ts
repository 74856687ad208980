/** The team's own tables, as the test kit is given them. */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { reasonOf } from '../errors.ts';
import type { DeclaredEvents } from '../event/declared-events.ts';
import { readMigrations } from '../store/migration-files.ts';
import type { TeamMigration } from '../store/test-databases.ts';
import type { MigrationSource } from './kit-options.ts';

/** @throws if a folder or file cannot be read. */
export async function readTeamMigrations(
  sources: MigrationSource | readonly MigrationSource[] | undefined,
): Promise<TeamMigration[]> {
  if (sources === undefined) return [];
  const list = Array.isArray(sources) ? sources : [sources as MigrationSource];
  return (await Promise.all(list.map(readSource))).flat();
}

async function readSource(source: MigrationSource, index: number): Promise<TeamMigration[]> {
  if (typeof source === 'string' && /\s/.test(source.trim()) && !source.startsWith('file:')) {
    return [{ name: `number ${index + 1} (SQL text)`, sql: source }];
  }
  const isUrl = source instanceof URL || source.startsWith('file:');
  const path = isUrl ? fileURLToPath(source) : source;
  try {
    if (!(await stat(path)).isDirectory()) return [await readOne(path)];
    const names = (await readdir(path)).filter((name) => name.endsWith('.sql')).sort();
    if (names.length === 0) throw new Error('the folder has no .sql files');
    return await Promise.all(names.map((name) => readOne(join(path, name))));
  } catch (error) {
    throw new Error(`The migrations "${path}" cannot be read: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

async function readOne(path: string): Promise<TeamMigration> {
  return { name: basename(path), sql: await readFile(path, 'utf8') };
}

/** Changes whenever a database made of these migrations and ours would be another one. */
export async function digestOfTemplate(
  ofTeam: readonly TeamMigration[],
  declared: DeclaredEvents | null,
  log: object,
): Promise<string> {
  const { files } = await readMigrations();
  const all: unknown[] = [files.map(({ checksum }) => checksum), ofTeam.map(({ sql }) => sql), log];
  // The views of the types are made from their schemas.
  if (declared !== null) all.push([...declared.types.values()]);
  return createHash('sha256').update(JSON.stringify(all)).digest('hex').slice(0, 24);
}
