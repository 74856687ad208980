import type { Handler } from '../handlers/handler.ts';

/** Where the handlers of a factory run. */
export type HandlerPlace = {
  /** The database of the kit, or of one run of provesExactlyOnce. */
  readonly databaseUrl: string;
};

/**
 * The handlers, or a function that makes them. A function is called again for each restart and each
 * run of provesExactlyOnce, so that handlers which keep something in memory begin anew, as after
 * the start of a process.
 */
export type HandlerSource =
  | readonly Handler[]
  | ((place: HandlerPlace) => readonly Handler[] | Promise<readonly Handler[]>);

/** @throws if they are not handlers, or two have one name. */
export async function makeHandlers(
  source: HandlerSource,
  place: HandlerPlace,
): Promise<readonly Handler[]> {
  const handlers = typeof source === 'function' ? await source(place) : source;
  const isHandler = (handler: unknown) =>
    typeof (handler as Handler | null)?.name === 'string' &&
    typeof (handler as Handler).handle === 'function';
  if (!Array.isArray(handlers) || !handlers.every(isHandler)) {
    throw new TypeError(
      'The test kit needs handlers: [{ name, handle }, …], or a function that returns such an array',
    );
  }
  const names = handlers.map(({ name }) => name);
  if (new Set(names).size < names.length) {
    throw new TypeError(`Two handlers have the same name: ${names.join(', ')}`);
  }
  return handlers;
}
