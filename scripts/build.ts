/**
 * Compiles src/ to dist/ for the npm package, because Node does not strip types below node_modules.
 * npm runs it before it packs. Nothing else needs dist/: in a clone, Node runs src/ itself.
 *
 * dist/ mirrors src/. A URL that a file forms relative to itself, such as that of package.json or of
 * a folder of SQL, is therefore the same in both.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');

/** The file of a worker thread: new URL('./x.ts', import.meta.url). tsc rewrites only imports. */
const WORKER = /(new URL\('\.[^']*)\.ts(', import\.meta\.url\))/g;
/** Imports in declarations, which tsc leaves as they are. */
const DECLARED_IMPORT = /((?:from|import\()\s*['"]\.[^'"]*)\.ts(['"])/g;

rmSync(dist, { recursive: true, force: true });
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const args = [tsc, '--project', join(root, 'tsconfig.build.json')];
const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);

for (const file of globSync('**/*', { cwd: join(root, 'src'), withFileTypes: true })) {
  const path = join(file.parentPath, file.name);
  if (!file.isFile() || file.name.endsWith('.ts')) continue;
  // Only a test reads these.
  if (basename(file.parentPath) === 'help-texts') continue;
  cpSync(path, join(dist, path.slice(join(root, 'src').length)));
}
for (const file of globSync('**/*.{js,d.ts}', { cwd: dist })) {
  const path = join(dist, file);
  const text = readFileSync(path, 'utf8');
  const rewritten = text.replaceAll(file.endsWith('.js') ? WORKER : DECLARED_IMPORT, '$1.js$2');
  if (rewritten !== text) writeFileSync(path, rewritten);
}
