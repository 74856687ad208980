/**
 * The command line: `orderonce COMMAND [OPTIONS]`. A setting is read from its flag; if that is
 * missing, from the environment; if that is missing too, from .env.
 */
import { existsSync, readFileSync } from 'node:fs';
import { type Arguments, readArguments } from './commands/arguments.ts';
import { type Command, EXIT } from './commands/command.ts';
import { COMMANDS } from './commands/command-table.ts';
import { didYouMean } from './commands/did-you-mean.ts';
import { commandHelp, overviewHelp, settingsHelp } from './commands/help.ts';
import { Output } from './commands/output.ts';
import { type ErrorCode, OrderonceError, reasonOf } from './errors.ts';
import { createLogger } from './runtime/logger.ts';
import { VERSION } from './runtime/version.ts';
import { readDotEnv } from './settings/dot-env.ts';
import { judgeNames } from './settings/names.ts';
import { readSettings, SETTINGS, type Settings } from './settings/settings.ts';

/** Exit codes of errors that are not those of their kind. */
const EXIT_OF: Partial<Record<ErrorCode, number>> = {
  SETTING_INVALID: EXIT.usage,
  HANDLERS_DIFFER: EXIT.usage,
  NOTHING_MATCHES: EXIT.unmatched,
  DEAD_LETTER_UNKNOWN: EXIT.unmatched,
  FINDING_UNKNOWN: EXIT.unmatched,
};

async function main(args: string[]): Promise<number> {
  const asked = readArguments(args, COMMANDS);
  if (asked.kind === 'version') return print(`orderonce ${VERSION}`);
  if (asked.kind === 'help') return print(helpOf(asked.topic));
  const { command, form, words, flags } = asked;
  const out = new Output(flags);
  const { settings, notes } = settingsOf(asked);
  // "start" runs several services, so those name themselves in their lines.
  const logger = command.isService
    ? createLogger(settings.LOG_LEVEL)
    : createLogger(settings.LOG_LEVEL, 'stderr').child({ service: command.name });
  if (notes.unknown.length > 0) logger.warn(notes, 'Ignored names that are not settings');
  return await command.run({ settings, logger, flags, action: form.action, words, out });
}

function print(text: string): number {
  console.log(text);
  return EXIT.ok;
}

/** @throws SETTING_INVALID if there is no such topic. */
function helpOf(topic: string | null): string {
  if (topic === null) return overviewHelp(COMMANDS);
  if (topic === 'settings') return settingsHelp();
  const command = COMMANDS.find(({ name }) => name === topic);
  if (command !== undefined) return commandHelp(command);
  const names = ['settings', ...COMMANDS.map(({ name }) => name)];
  const message = `There is no help about "${topic}"${didYouMean(topic, names)}`;
  throw new OrderonceError('SETTING_INVALID', message);
}

type Run = Extract<Arguments, { kind: 'run' }>;
type Notes = { readonly unknown: readonly string[]; readonly warnings?: readonly string[] };

/** @throws SETTING_INVALID */
function settingsOf({ command, settings: fromFlags }: Run): { settings: Settings; notes: Notes } {
  if ((command as Command).ignoresSettings) {
    return { settings: readSettings({}), notes: { unknown: [] } };
  }
  const fromFile = dotEnv();
  const given = { ...fromFile, ...process.env, ...fromFlags };
  const settings = readSettings(given);
  const { errors, warnings, unknown } = judgeNames(process.env, fromFile, given);
  if (errors.length > 0) throw new OrderonceError('SETTING_INVALID', errors.join('; '));
  return { settings, notes: { unknown, warnings } };
}

function dotEnv(): Record<string, string> {
  if (!existsSync('.env')) return {};
  let bytes: Buffer;
  try {
    bytes = readFileSync('.env');
  } catch (error) {
    throw new OrderonceError('SETTING_INVALID', `.env cannot be read: ${reasonOf(error)}`);
  }
  return readDotEnv(bytes, (name) => Object.hasOwn(SETTINGS, name));
}

function exitCodeOf(error: unknown): number {
  if (!(error instanceof OrderonceError)) return EXIT.failed;
  return EXIT_OF[error.code] ?? (error.kind === 'transient' ? EXIT.unavailable : EXIT.failed);
}

/** Tells the error to the person, or with --json to a program, on standard error. */
function reportError(error: unknown, args: readonly string[]): number {
  const exitCode = exitCodeOf(error);
  const code = error instanceof OrderonceError ? error.code : null;
  const message = reasonOf(error);
  const out = new Output({});
  if (args.includes('--json')) {
    out.say(JSON.stringify({ error: { code, message, exit_code: exitCode } }));
  } else {
    const name = out.paint('red', 'orderonce:', 'stderr');
    out.say(`${name} ${code === null ? '' : `${code}: `}${message}`);
  }
  return exitCode;
}

// `orderonce … | head` closes the pipe early: that is the end of the command, and no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT.ok);
});
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.exitCode = reportError(error, process.argv.slice(2));
}
// A library may still hold a socket or timer open. That must not keep a finished command running.
process.exit();
