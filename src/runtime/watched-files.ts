/**
 * Files with secrets that are replaced while the service runs: API keys, certificates. What they
 * hold is read again when one of them changes, so that replacing them needs no restart.
 */
import { statSync } from 'node:fs';
import { reasonOf } from '../errors.ts';
import type { Logger } from './logger.ts';

const CHECK_MS = 2000;

export class WatchedFiles {
  readonly #paths: readonly string[];
  readonly #what: string;
  readonly #read: () => void;
  readonly #logger: Logger;
  readonly #timer: NodeJS.Timeout;
  #inUse: string;
  #trouble: string | null = null;

  /**
   * @param what in words, for logs and health: "API keys".
   * @param read takes over what the files hold now; if it throws, what was in use stays. Called
   * once here, and that error is the caller's: starting without them would be worse.
   */
  constructor(paths: readonly string[], what: string, read: () => void, logger: Logger) {
    this.#paths = paths;
    this.#what = what;
    this.#read = read;
    this.#logger = logger;
    // Before it is read: a change in between is then seen as one.
    this.#inUse = existing(paths);
    read();
    this.#timer = setInterval(() => this.check(), CHECK_MS).unref();
  }

  /** Why the files as they are now are not in use, or null. */
  get trouble(): string | null {
    return this.#trouble;
  }

  /** A pair of files may be replaced one after the other: what is broken is tried again. */
  check(): void {
    try {
      const version = versionOf(this.#paths);
      const hasChanged = version !== this.#inUse;
      if (hasChanged) this.#read();
      this.#inUse = version;
      this.#trouble = null;
      if (hasChanged) this.#logger.info(`${this.#what}: read again`);
    } catch (error) {
      const trouble = `The changed ${this.#what} are not in use: ${reasonOf(error)}`;
      if (this.#trouble === null) this.#logger.error(trouble);
      this.#trouble = trouble;
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

function versionOf(paths: readonly string[]): string {
  return paths.map((path) => statSync(path).mtimeMs).join();
}

/** Whoever reads a file that is missing says so better. */
function existing(paths: readonly string[]): string {
  try {
    return versionOf(paths);
  } catch {
    return '';
  }
}
