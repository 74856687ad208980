import { AsyncLocalStorage } from 'node:async_hooks';

/** An open savepoint of a handler. */
export type OpenSavepoint = {
  readonly name: string;
  /** Its work has returned or failed: whatever that left behind may not use the transaction. */
  hasEnded: boolean;
};

/** In which savepoint's work a call is made. It follows promises, timers and callbacks. */
const surrounding = new AsyncLocalStorage<OpenSavepoint>();

/**
 * The savepoints that a handler has open, each within the one before it. PostgreSQL knows only
 * their order in time: a statement that is sent while a savepoint is open belongs to it, and is
 * undone with it, whichever part of the handler sent it. So only the work of the innermost one may
 * use the transaction. Otherwise a statement beside a savepoint would return, and then be undone.
 */
export class OpenSavepoints {
  readonly #open: OpenSavepoint[] = [];
  #opened = 0;

  get isAnyOpen(): boolean {
    return this.#open.length > 0;
  }

  /** Whether the call under way comes from the work of the innermost savepoint, or from outside. */
  isCalledFromInnermost(): boolean {
    const caller = surrounding.getStore();
    return caller === this.#open.at(-1) && caller?.hasEnded !== true;
  }

  isInnermost(savepoint: OpenSavepoint): boolean {
    return this.#open.at(-1) === savepoint;
  }

  /** Each has a name of its own, so that none undoes the statements of another. */
  open(): OpenSavepoint {
    const savepoint = { name: `handler_${++this.#opened}`, hasEnded: false };
    this.#open.push(savepoint);
    return savepoint;
  }

  close(savepoint: OpenSavepoint): void {
    this.#open.splice(this.#open.indexOf(savepoint), 1);
  }
}

/** Runs the work of a savepoint, so that its calls are known to come from there. */
export async function workIn<T>(savepoint: OpenSavepoint, work: () => Promise<T>): Promise<T> {
  try {
    return await surrounding.run(savepoint, work);
  } finally {
    savepoint.hasEnded = true;
  }
}
