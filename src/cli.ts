/**
 * The command line: `orderonce COMMAND [OPTIONS]`. A setting is read from its flag; if that is
 * missing, from the environment; if that is missing too, from .env.
 */
import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Command, EXIT, FLAGS, type Flags } from './commands/command.ts';
import { DEAD_LETTERS_USAGE, runDeadLetters } from './commands/dead-letters.ts';
import { runDoctor } from './commands/doctor.ts';
import { runHealth } from './commands/health.ts';
import { runInit } from './commands/init.ts';
import { runKeys } from './commands/keys.ts';
import { runMigrate } from './commands/migrate.ts';
import { POSITIONS_USAGE, runLag, runPositions } from './commands/positions.ts';
import { PROOF_USAGE, runProof } from './commands/proof.ts';
import { runSend } from './commands/send.ts';
import { runConsumer, runProducer, runStart } from './commands/services.ts';
import { runVerify } from './commands/verify.ts';
import { OrderonceError, reasonOf } from './errors.ts';
import { createLogger } from './runtime/logger.ts';
import { readDotEnv } from './settings/dot-env.ts';
import { judgeNames } from './settings/names.ts';
import { readSettings, SETTINGS, settingFlags } from './settings/settings.ts';

const COMMANDS: Readonly<Record<string, Command>> = {
  // Without a prototype, a word such as "constructor" is not found here.
  __proto__: null as never,
  start: {
    usage: [''],
    help: 'Creates what is missing, as "migrate" does, and runs the ingest API and the consumer in one process. It uses the embedded PostgreSQL unless DATABASE_URL is set, and the embedded log unless KAFKA_BOOTSTRAP_SERVERS is set.',
    wordsMax: 0,
    run: runStart,
  },
  init: {
    usage: ['[DIR]'],
    help: 'Writes a small project into DIR (default: this folder): a handler, its table, settings, and files for an image. It overwrites nothing.',
    wordsMax: 1,
    run: runInit,
  },
  producer: {
    usage: [''],
    help: 'Runs the ingest API. Any number may run.',
    wordsMax: 0,
    run: runProducer,
  },
  consumer: {
    usage: [''],
    help: 'Runs a consumer and its status API. Any number may run; they share the partitions.',
    wordsMax: 0,
    run: runConsumer,
  },
  migrate: {
    usage: [''],
    help: 'Creates the tables and the topic (or the embedded log) if they are missing. It is safe to repeat, also while another one runs.',
    wordsMax: 0,
    run: runMigrate,
  },
  send: {
    usage: ['FILE', '-', '--example'],
    help: 'Sends the events of FILE, one per line, to the ingest API; "-" reads standard input. If a run on a file was interrupted, repeat it: it resumes where it stopped. Exit code 1 if an event was rejected.',
    wordsMax: 1,
    run: runSend,
  },
  verify: {
    usage: ['[--against-log] [--receipts FILE]'],
    help: 'Proves that every record has exactly one outcome and that the effects are right, or lists what contradicts it. Exit code 1 if it is not proven.',
    wordsMax: 0,
    run: runVerify,
  },
  proof: {
    usage: PROOF_USAGE,
    help: 'Shows how fresh the continuous proof is, and what it has found. Exit code 1 if there are findings that nobody has acknowledged, or if nothing was proven for 15 minutes. "acknowledge" says that a finding is known and may stay.',
    wordsMax: 2,
    run: runProof,
  },
  doctor: {
    usage: [''],
    help: 'Checks a running deployment (settings of topic and PostgreSQL, rights, clocks, health) and says what to do about each finding. Exit code 1 if a check fails; a warning is not a failure.',
    wordsMax: 0,
    run: runDoctor,
  },
  health: {
    usage: ['[producer|consumer]'],
    help: 'Asks the service on this machine whether it is healthy; without a name, whichever of them runs. Exit code 1 if it is not, or does not answer within 3 seconds.',
    wordsMax: 1,
    run: runHealth,
  },
  keys: {
    usage: ['new NAME [--role ingest|read|admin]'],
    help: 'Makes an API key. It prints the key, and the entry to add to API_KEYS_FILE, which holds only its SHA-256 digest.',
    wordsMax: 2,
    run: runKeys,
  },
  lag: {
    usage: [''],
    help: 'Prints how many records are still to be processed, by partition. Exit code 0 whatever the lag; 1 if the lag of a partition is not known.',
    wordsMax: 0,
    run: runLag,
  },
  positions: {
    usage: POSITIONS_USAGE,
    help: 'Lists the position and state of each partition, with exit code 1 if one is held up. The other forms let a stopped partition resume; see docs/positions.md.',
    wordsMax: 2,
    run: runPositions,
  },
  'dead-letters': {
    usage: DEAD_LETTERS_USAGE,
    help: 'Lists, shows, redrives, edits and discards dead letters. PLACE is log/partition/offset, as "list" shows it. Exit code 1 if an event could not be redriven.',
    wordsMax: 2,
    run: runDeadLetters,
  },
};

/**
 * These log to standard output. The standard output of the other commands is only their answer, and
 * their logs go to standard error.
 */
const SERVICES = ['start', 'producer', 'consumer'];

function help(): string {
  const commands = Object.entries(COMMANDS).flatMap(([name, { usage, help }]) => [
    ...usage.map((form) => `  orderonce ${name} ${form}`.trimEnd()),
    paragraph(help),
  ]);
  const others = Object.entries(FLAGS).flatMap(([name, { type, help }]) => [
    `  --${name}${type === 'string' ? ' VALUE' : ''}`,
    paragraph(help),
  ]);
  const settings = settingFlags().flatMap(({ flag, name, help, fallback }) => [
    `  ${flag} (${name})`,
    paragraph(`${help}${fallback}`),
  ]);
  return `Usage: orderonce COMMAND [OPTIONS]

Commands
${commands.join('\n')}

Options
  --help
      Prints this text.
${others.join('\n')}

Settings
  Each one can be set by a flag, by an environment variable or in the file .env. A flag takes
  precedence over the environment, and the environment over .env.
${settings.join('\n')}

Exit codes
  0  The command is done, or the service was asked to stop.
  1  The command failed, or it found what its own text above says.
  2  The usage or a setting is wrong, or the handlers are not those of the deployment.
  3  A dependency (PostgreSQL, Kafka or a service) does not answer, or tables or topic are missing.
`;
}

/** The text in indented lines of up to 96 columns. */
function paragraph(text: string): string {
  return text.replaceAll(/(.{1,90})( +|$)/g, '      $1\n').trimEnd();
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
  if (command === undefined) {
    const known = Object.keys(COMMANDS).join(', ');
    throw new OrderonceError('SETTING_INVALID', `Unknown command "${name}". Commands: ${known}`);
  }
  if (words.length > command.wordsMax) {
    const usage = `orderonce ${name} ${command.usage.join(' | ')}`.trimEnd();
    const message = `Too many arguments: "${positionals.join(' ')}". Usage: ${usage}`;
    throw new OrderonceError('SETTING_INVALID', message);
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
  // "start" runs several services, so those name themselves in their lines.
  const logger = SERVICES.includes(name)
    ? createLogger(settings.LOG_LEVEL)
    : createLogger(settings.LOG_LEVEL, 'stderr').child({ service: name });
  if (unknown.length > 0) logger.warn({ unknown, warnings }, 'Ignored names that are not settings');
  return await command.run({ settings, logger, flags: values as Flags, words });
}

function parse(args: string[], options: Record<string, { type: 'string' | 'boolean' }>) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new OrderonceError('SETTING_INVALID', `${reasonOf(error)}. See "orderonce --help"`);
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
// A library may still hold a socket or timer open. That must not keep a finished command running.
process.exit();
