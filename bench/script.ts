/** Runs a script of this folder in a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** @returns what it says on its last line, as JSON. @throws when it fails. */
export async function runScript<T>(name: string, words: readonly (string | number)[]): Promise<T> {
  const path = fileURLToPath(new URL(name, import.meta.url));
  const child = spawn(process.execPath, [path, ...words.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said: Buffer[] = [];
  child.stdout.on('data', (chunk) => said.push(chunk));
  await once(child, 'close');
  if (child.exitCode !== 0) throw new Error(`${name} failed`);
  return JSON.parse(Buffer.concat(said).toString()) as T;
}
