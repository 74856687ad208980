/** `orderonce COMMAND [--setting value ...]`: settings from flags, environment and .env. */
import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Command, EXIT, FLAGS, type Flags } from './commands/command.ts';
import { DEAD_LETTERS_HELP, runDeadLetters } from './commands/dead-letters.ts';
import { runDoctor } from './commands/doctor.ts';
import { runHealth } from './commands/health.ts';
import { runKeys } from './commands/keys.ts';
import { runMigrate } from './commands/migrate.ts';
import { POSITIONS_HELP, runLag, runPositions } from './commands/positions.ts';
import { runSend } from './commands/send.ts';
import { runConsumer, runProducer, runStart } from './commands/services.ts';
import { runVerify } from './commands/verify.ts';
import { OrderonceError, reasonOf } from './errors.ts';
import { createLogger } from './runtime/logger.ts';
import { readDotEnv } from './settings/dot-env.ts';
import { judgeNames } from './settings/names.ts';
import { readSettings, SETTINGS, settingFlags } from './settings/settings.ts';

const COMMANDS: Readonly<Record<string, Command>> = {
  // Without a prototype, "constructor" is as unknown as any other word.
  __proto__: null as never,
  start: {
    help: 'Everything in one process; embedded PostgreSQL and log where nothing is set.',
    wordsMax: 0,
    run: runStart,
  },
  producer: { help: 'The ingest API alone.', wordsMax: 0, run: runProducer },
  consumer: {
    help: 'The consumer alone; start as many as you like.',
    wordsMax: 0,
    run: runConsumer,
  },
  migrate: {
    help: 'Creates tables and topic where they are missing. Safe to repeat.',
    wordsMax: 0,
    run: runMigrate,
  },
  send: {
    help: 'FILE: sends a file with an event per line; resumes where it stopped. "-": standard input. --example: one event.',
    wordsMax: 1,
    run: runSend,
  },
  verify: {
    help: 'Proves that every record is accounted for, or names what is not. Exit code 1 if not.',
    wordsMax: 0,
    run: runVerify,
  },
  doctor: {
    help: 'Examines a live deployment: settings of topic and PostgreSQL, rights, clocks, health.',
    wordsMax: 0,
    run: runDoctor,
  },
  health: {
    help: 'producer|consumer: asks the one on this machine. Exit code 0 when it is healthy.',
    wordsMax: 1,
    run: runHealth,
  },
  keys: {
    help: 'new NAME [--role ingest|read|admin]: makes an API key, and what API_KEYS_FILE keeps of it.',
    wordsMax: 2,
    run: runKeys,
  },
  lag: {
    help: 'How many records are still to be processed, by partition.',
    wordsMax: 0,
    run: runLag,
  },
  positions: { help: POSITIONS_HELP, wordsMax: 2, run: runPositions },
  'dead-letters': { help: DEAD_LETTERS_HELP, wordsMax: 2, run: runDeadLetters },
};

/** Of the others, standard output is the answer. */
const SERVICES = ['start', 'producer', 'consumer'];

function help(): string {
  const commands = Object.entries(COMMANDS).map(
    ([name, command]) => `  ${name.padEnd(13)} ${command.help}`,
  );
  const others = Object.entries(FLAGS).map(([name, { help }]) => `  --${name.padEnd(11)} ${help}`);
  return `orderonce COMMAND [FLAGS]

Commands
${commands.join('\n')}

Flags
  --help        This text.
${others.join('\n')}

Settings, as flag, environment variable or line of .env (in this order of precedence)
${settingFlags()
  .map(({ flag, name, help, fallback }) => `  ${flag} (${name})\n      ${help}${fallback}`)
  .join('\n')}

Exit codes
  0 done or stopped as asked   1 failed   2 wrong usage, setting or handlers   3 a dependency is not there
`;
}

async function main(args: string[]): Promise<number> {
  const flags = settingFlags();
  const options = Object.fromEntries([
    ...flags.map(({ flag }) => [flag.slice(2), { type: 'string' as const }]),
    ...Object.entries(FLAGS).map(([name, { type }]) => [name, { type }]),
    ['help', { type: 'boolean' as const }],
  ]);
  const { values, positionals } = parse(args, options);
  const [name = 'help', ...words] = positionals;
  if (values.help === true || name === 'help') {
    console.log(help());
    return EXIT.ok;
  }
  const command = COMMANDS[name];
  if (command === undefined || words.length > command.wordsMax) {
    throw new OrderonceError(
      'SETTING_INVALID',
      `Unknown: "${positionals.join(' ')}". Commands: ${Object.keys(COMMANDS).join(', ')}`,
    );
  }
  const fromFlags: Record<string, string> = {};
  for (const { flag, name: setting } of flags) {
    const value = values[flag.slice(2)];
    if (typeof value === 'string') fromFlags[setting] = value;
  }
  const fromFile = dotEnv();
  const given = { ...fromFile, ...process.env, ...fromFlags };
  const settings = readSettings(given);
  const { errors, warnings, unknown } = judgeNames(process.env, fromFile, given);
  if (errors.length > 0) throw new OrderonceError('SETTING_INVALID', errors.join('; '));
  const logger = createLogger(settings.LOG_LEVEL, SERVICES.includes(name) ? 'stdout' : 'stderr');
  if (unknown.length > 0) logger.warn({ unknown, warnings }, 'Names that are not settings');
  return await command.run({ settings, logger, flags: values as Flags, words });
}

function parse(args: string[], options: Record<string, { type: 'string' | 'boolean' }>) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new OrderonceError('SETTING_INVALID', `${reasonOf(error)}. See --help`);
  }
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
  if (error.code === 'SETTING_INVALID' || error.code === 'HANDLERS_DIFFER') return EXIT.usage;
  return error.kind === 'transient' ? EXIT.unavailable : EXIT.failed;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const code = error instanceof OrderonceError ? `${error.code}: ` : '';
  console.error(`orderonce: ${code}${reasonOf(error)}`);
  process.exitCode = exitCodeOf(error);
}
// What a dependency still holds open must not keep a command that has ended.
process.exit();
