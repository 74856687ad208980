/**
 * Watches files that are replaced while the service runs: API keys and certificates. They are read
 * again within 2 s when one of them changes, so that replacing them needs no restart.
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
   * @param what name of the content for logs and health pages, such as "API keys".
   * @param read reads the files and puts their content into use. If it throws, the previous content
   * stays in use. The constructor calls it once and lets an error of that call through, because the
   * service must not start without the files.
   */
  constructor(paths: readonly string[], what: string, read: () => void, logger: Logger) {
    this.#paths = paths;
    this.#what = what;
    this.#read = read;
    this.#logger = logger;
    // Before reading, so that a change in between is noticed later.
    this.#inUse = existing(paths);
    read();
    this.#timer = setInterval(() => this.check(), CHECK_MS).unref();
  }

  /** Why the current content of the files is not in use, or null. */
  get trouble(): string | null {
    return this.#trouble;
  }

  /**
   * Reads the files again if they have changed. After an error every check tries again, because two
   * files that belong together may be replaced one after the other.
   */
  check(): void {
    try {
      const version = versionOf(this.#paths);
      const hasChanged = version !== this.#inUse;
      if (hasChanged) this.#read();
      this.#inUse = version;
      this.#trouble = null;
      if (hasChanged) this.#logger.info(`The changed ${this.#what} are in use`);
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

/** A missing file is ignored here: reading it throws a better error. */
function existing(paths: readonly string[]): string {
  try {
    return versionOf(paths);
  } catch {
    return '';
  }
}
