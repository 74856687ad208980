/** The npm package, packed and installed as a team would install it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const INSTALL = ['install', '--prefer-offline', '--no-audit', '--no-fund'];

/** As in a new shell: nothing of this repository is on PATH, and no setting is inherited. */
export const SHELL: Record<string, string> = {
  PATH: (process.env.PATH ?? '')
    .split(':')
    .filter((folder) => !folder.includes('node_modules'))
    .join(':'),
  HOME: process.env.HOME ?? '',
};

export type Packed = {
  readonly file: string;
  readonly bytes: number;
  /** Paths inside the package. */
  readonly files: readonly string[];
};

/** Runs a program to its end. @throws with its output where it fails. */
export function run(cwd: string, [program = '', ...args]: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd,
    env: SHELL,
    encoding: 'utf8',
    timeout: 300_000,
  });
  if (status === 0) return `${stdout}${stderr}`;
  throw new Error(`${[program, ...args].join(' ')} ended with ${status}:\n${stdout}\n${stderr}`);
}

/** `npm pack`, which builds first. @param folder that the tarball is written to. */
export function pack(folder: string): Packed {
  const args = ['pack', '--json', '--silent', '--pack-destination', folder];
  const { status, stdout, stderr } = spawnSync('npm', args, { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`npm pack failed:\n${stdout}\n${stderr}`);
  const json = JSON.parse(stdout.slice(stdout.search(/^[[{]/m)));
  const [packed] = Object.values(json) as [
    { filename: string; size: number; files: { path: string }[] },
  ];
  const files = packed.files.map(({ path }) => path);
  return { file: join(folder, packed.filename), bytes: packed.size, files };
}

/** Makes a folder below the temporary one, and a function that removes it. */
export function temporaryFolder(): { folder: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'orderonce-package-'));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Installs the tarball into a folder that holds nothing else. */
export function install(folder: string, { file }: Packed): void {
  writeFileSync(join(folder, 'package.json'), '{ "name": "shop", "private": true }\n');
  run(folder, ['npm', ...INSTALL, file]);
}
