/** Runs a script of this folder in its own process. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** @returns the JSON that the script prints. @throws if its exit code is not 0. */
export async function runScript<T>(name: string, words: readonly (string | number)[]): Promise<T> {
  const path = fileURLToPath(new URL(name, import.meta.url));
  const child = spawn(process.execPath, [path, ...words.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said: Buffer[] = [];
  child.stdout.on('data', (chunk) => said.push(chunk));
  await once(child, 'close');
  if (child.exitCode !== 0) throw new Error(`${name} failed with exit code ${child.exitCode}`);
  return JSON.parse(Buffer.concat(said).toString()) as T;
}
