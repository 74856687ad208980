import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, relative, resolve } from 'node:path';

/** import … from './x', export … from './x', import('./x'), require('./x'). */
const RELATIVE_IMPORT = /(?:\bfrom|\bimport|\brequire)\s*\(?\s*['"](\.{1,2}\/[^'"\n]+)['"]/g;
const ENDINGS = ['', '.js', '.mjs', '.cjs', '.ts', '.json', '/index.js', '/index.ts'];
/** A module of more files is not what this is for. */
const FILES_MAX = 1000;

/**
 * SHA-256 over a module and all that it imports by relative paths, in whatever folder they lie.
 * Not covered: packages, files that it reads, and its environment.
 *
 * @param path from the working directory. @throws where the module itself cannot be read.
 */
export async function digestOfModule(path: string): Promise<string> {
  const main = resolve(path);
  const files = new Map<string, Buffer>([[main, await readFile(main)]]);
  // A Map gives what is added while it is walked.
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
