import type { Logger } from '../runtime/logger.ts';
import type { Settings } from '../settings/settings.ts';
import type { FlagName, Flags } from './flags.ts';
import type { Output } from './output.ts';

/** Exit codes of the process. EXIT_MEANINGS says what each means. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  unavailable: 3,
  unmatched: 4,
  interrupted: 130,
} as const;

/** What an exit code means unless a command says it more exactly. */
export const EXIT_MEANINGS: Readonly<Record<number, string>> = {
  [EXIT.ok]: 'The command is done, or the service was asked to stop.',
  [EXIT.failed]: 'The command failed, or it found trouble.',
  [EXIT.usage]: 'The usage or a setting is wrong, or a right is missing. Nothing was changed.',
  [EXIT.unavailable]: 'PostgreSQL, Kafka or a service does not answer, or tables are missing.',
  [EXIT.unmatched]: 'Nothing matches the id, place or filter that was given.',
  [EXIT.interrupted]: 'Ctrl-C ended the command.',
};

/** The groups of the list of commands, in its order. */
export const GROUPS = ['Run', 'Look', 'Repair', 'Prove', 'Set up'] as const;

/** A word that follows the name of a command. */
export type Argument = {
  /** Its name in the usage, in capitals. */
  readonly name: string;
  readonly isOptional?: true;
  /** All valid values, where they are few; for completion. */
  readonly values?: readonly string[];
};

/** One way to call a command. */
export type Form = {
  /** The word that chooses this form; null if the command has no actions. */
  readonly action: string | null;
  readonly args: readonly Argument[];
  readonly flags: readonly FlagName[];
  /** Those of `flags` that must be given. */
  readonly required?: readonly FlagName[];
  /** What it does; for commands with actions. */
  readonly about?: string;
};

/** One call of a command. */
export type Call = {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly flags: Flags;
  /** The action that was chosen, the default one too; null if the command has none. */
  readonly action: string | null;
  /** The words after the action, as many as the form allows. */
  readonly words: readonly string[];
  readonly out: Output;
};

/** One command of the command line. Dispatch, help, completion and docs come from it. */
export type Command = {
  readonly name: string;
  readonly group: (typeof GROUPS)[number];
  /** One line for the list of commands: at most 60 characters, no full stop. */
  readonly purpose: string;
  /** What it does, in full sentences. */
  readonly about: string;
  /** The first one is used if no action is given. */
  readonly forms: readonly Form[];
  /** Three calls that work when pasted, each with what it does. */
  readonly examples: readonly (readonly [call: string, what: string])[];
  /** The settings that it reads: names, or the beginning of names, such as `KAFKA_*`. */
  readonly settings: readonly string[];
  /** Its exit codes with their meaning; null: the meaning in EXIT_MEANINGS. */
  readonly exits: Readonly<Record<number, string | null>>;
  /** Its lines in the log are the output; other commands log to standard error. */
  readonly isService?: true;
  /** It must also work where the settings are wrong. */
  readonly ignoresSettings?: true;
  /** @returns the exit code. */
  readonly run: (call: Call) => Promise<number>;
};
