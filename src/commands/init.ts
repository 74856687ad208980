/** `orderonce init [DIR]`: writes a small project with one handler, ready to run. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { OrderonceError } from '../errors.ts';
import { VERSION } from '../runtime/version.ts';
import { type Call, EXIT } from './command.ts';

/**
 * The files of a project, and the templates beside this module that they come from. All templates
 * end in .txt: npm leaves out a .gitignore, and the build compiles what ends in .ts.
 */
const FILES: Readonly<Record<string, string>> = {
  'package.json': 'package.json.txt',
  'handlers.ts': 'handlers.ts.txt',
  'handlers.test.ts': 'handlers.test.ts.txt',
  'migrations/0001-spending.sql': 'migrations/0001-spending.sql.txt',
  '.env': 'env.txt',
  '.gitignore': 'gitignore.txt',
  '.dockerignore': 'dockerignore.txt',
  Dockerfile: 'Dockerfile.txt',
  'compose.yaml': 'compose.yaml.txt',
  'README.md': 'README.md.txt',
};
const TEMPLATES = new URL('./init/', import.meta.url);

/**
 * Writes the files and says what to do next. It never overwrites: if one of them exists, nothing is
 * written. @returns exit code 0. @throws FILES_EXIST
 */
export async function runInit({ words, out }: Call): Promise<number> {
  const folder = resolve(words[0] ?? '.');
  const paths = Object.keys(FILES);
  const existing = paths.filter((path) => existsSync(join(folder, path)));
  if (existing.length > 0) throw filesExist(folder, existing);
  for (const [path, template] of Object.entries(FILES)) {
    const file = join(folder, path);
    await mkdir(dirname(file), { recursive: true });
    const text = readFileSync(new URL(template, TEMPLATES), 'utf8')
      .replaceAll('{{name}}', nameOf(folder))
      .replaceAll('{{version}}', VERSION);
    await writeFile(file, text, { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'EEXIST' ? filesExist(folder, [path]) : error;
    });
  }
  out.data(nextSteps(folder, paths), { folder, files: paths });
  return EXIT.ok;
}

function filesExist(folder: string, paths: readonly string[]): OrderonceError {
  const message = `${paths.join(', ')} in ${folder} would be overwritten: give another folder, "orderonce init DIR"`;
  return new OrderonceError('FILES_EXIST', message);
}

/** A valid name of an npm package. */
function nameOf(folder: string): string {
  const name = basename(folder)
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, '-');
  return name.replaceAll(/^-+|-+$/g, '') || 'orders';
}

function nextSteps(folder: string, paths: readonly string[]): string {
  const shown = relative('.', folder);
  const enter = shown === '' ? '' : `  cd ${shown.includes(' ') ? `"${shown}"` : shown}\n`;
  return `Created in ${folder}:
${paths.map((path) => `  ${path}`).join('\n')}

To run it:
${enter}  npm install
  npm test
  npm start

Then change handlers.ts to what your events should do, and put its tables into migrations/.`;
}
