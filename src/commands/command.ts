import type { Logger } from '../runtime/logger.ts';
import type { Settings } from '../settings.ts';

/** Flags that are not settings. */
export type Flags = { readonly json: boolean; readonly example: boolean };

/** What one word of the command line does. */
export type Command = {
  readonly help: string;
  /** @returns the exit code. */
  readonly run: (settings: Settings, logger: Logger, flags: Flags) => Promise<number>;
};
