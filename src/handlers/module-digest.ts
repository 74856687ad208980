import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, relative, resolve } from 'node:path';

/** Matches import … from './x', export … from './x', import('./x') and require('./x'). */
const RELATIVE_IMPORT = /(?:\bfrom|\bimport|\brequire)\s*\(?\s*['"](\.{1,2}\/[^'"\n]+)['"]/g;
const ENDINGS = ['', '.js', '.mjs', '.cjs', '.ts', '.json', '/index.js', '/index.ts'];
/** Files beyond this number are not covered. */
const FILES_MAX = 1000;

/**
 * SHA-256, in hex, over a module and all files that it imports by relative paths. It does not
 * depend on the folder in which the module is. It does not cover packages, files that the module
 * reads, or environment variables.
 *
 * @param path of the module, relative to the working directory.
 * @throws if the module itself cannot be read.
 */
export async function digestOfModule(path: string): Promise<string> {
  const main = resolve(path);
  const files = new Map<string, Buffer>([[main, await readFile(main)]]);
  // The loop also visits entries that are added to the Map while it runs.
  for (const [file, content] of files) {
    for (const [, specifier] of content.toString('utf8').matchAll(RELATIVE_IMPORT)) {
      const found = await findFile(resolve(dirname(file), specifier as string));
      if (found !== null && files.size < FILES_MAX && !files.has(found.file)) {
        files.set(found.file, found.content);
      }
    }
  }
  const hash = createHash('sha256');
  for (const file of [...files.keys()].sort()) {
    const content = createHash('sha256').update(files.get(file) as Buffer);
    hash.update(`${relative(dirname(main), file)}\0${content.digest('hex')}\0`);
  }
  return hash.digest('hex');
}

async function findFile(path: string): Promise<{ file: string; content: Buffer } | null> {
  for (const ending of ENDINGS) {
    const file = `${path}${ending}`;
    const content = await readFile(file).catch(() => null);
    if (content !== null) return { file, content };
  }
  return null;
}
