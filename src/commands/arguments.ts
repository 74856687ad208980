/**
 * Reads the arguments of a call strictly: a misspelled command, action or option must not be
 * ignored, since then something else would be done than was asked for. Pure.
 */
import { parseArgs } from 'node:util';
import { OrderonceError } from '../errors.ts';
import { type SettingFlag, settingFlags } from '../settings/settings.ts';
import type { Command, Form } from './command.ts';
import { didYouMean } from './did-you-mean.ts';
import { COMMON_FLAGS, FLAGS, type FlagName, type Flags } from './flags.ts';
import { formUsage } from './usage.ts';

/** What was asked for. */
export type Arguments =
  | { readonly kind: 'version' }
  /** Help about a command or topic; null: the list of commands. */
  | { readonly kind: 'help'; readonly topic: string | null; readonly flags: Flags }
  | {
      readonly kind: 'run';
      readonly command: Command;
      readonly form: Form;
      readonly words: readonly string[];
      readonly flags: Flags;
      /** The settings that were given as flags, by name. */
      readonly settings: Readonly<Record<string, string>>;
    };

type Token = {
  readonly name: string;
  readonly value: string | undefined;
  readonly isInline: boolean;
};
type Words = { readonly positionals: readonly string[]; readonly options: readonly Token[] };

const SETTING_FLAGS: ReadonlyMap<string, SettingFlag> = new Map(
  settingFlags().map((one) => [one.flag.slice(2), one]),
);
const isFlag = (name: string): name is FlagName => Object.hasOwn(FLAGS, name);
const takesValue = (name: string) =>
  SETTING_FLAGS.has(name) || (isFlag(name) && FLAGS[name].type === 'string');

/** @throws SETTING_INVALID with what is wrong, and what was probably meant. */
export function readArguments(args: readonly string[], commands: readonly Command[]): Arguments {
  const { positionals, options } = split(args);
  const { flags, settings } = valuesOf(options);
  if (flags.version === true) return { kind: 'version' };
  const [name = 'help', ...rest] = positionals;
  if (name === 'help') return { kind: 'help', topic: rest[0] ?? null, flags };
  const command = commands.find((one) => one.name === name);
  if (command === undefined) {
    throw invalid(
      `Unknown command "${name}"${didYouMean(
        name,
        commands.map((one) => one.name),
      )}`,
      'orderonce help',
    );
  }
  // Whoever asks for help may not know yet how to write the rest.
  if (flags.help === true) return { kind: 'help', topic: name, flags };
  const { form, words } = formOf(command, rest);
  for (const option of options) refuseForeign(option.name, command, form);
  refuseWords(command, form, words);
  refuseMissing(command, form, flags);
  return { kind: 'run', command, form, words, flags, settings };
}

/** Words and options, apart. What is behind `--` is words. */
function split(args: readonly string[]): Words {
  const names = [...SETTING_FLAGS.keys(), ...Object.keys(FLAGS)];
  const options = Object.fromEntries(
    names.map((name) => [
      name,
      {
        type: takesValue(name) ? ('string' as const) : ('boolean' as const),
        ...(name === 'help' ? { short: 'h' } : {}),
      },
    ]),
  );
  const parsed = parseArgs({
    args: [...args],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const tokens = parsed.tokens.flatMap((token) =>
    token.kind === 'option'
      ? [{ name: token.name, value: token.value, isInline: token.inlineValue === true }]
      : [],
  );
  const unknown = tokens.find(({ name }) => !names.includes(name));
  if (unknown !== undefined) {
    const { name } = unknown;
    const dashes = name.length === 1 ? '-' : '--';
    throw invalid(`Unknown option "${dashes}${name}"${meantBy(name, names)}`, 'orderonce help');
  }
  for (const token of tokens) refuseValue(token);
  return { positionals: parsed.positionals, options: tokens };
}

function meantBy(name: string, names: readonly string[]): string {
  return didYouMean(
    `--${name}`,
    names.map((one) => `--${one}`),
  );
}

/** An option without its value would take the next option for one. */
function refuseValue({ name, value, isInline }: Token): void {
  if (!takesValue(name)) {
    if (isInline) throw invalid(`The option --${name} takes no value`, 'orderonce help');
    return;
  }
  if (value === undefined) throw invalid(`The option --${name} needs a value`, 'orderonce help');
  if (isInline || !value.startsWith('-') || value === '-') return;
  const message = `The option --${name} needs a value, and "${value}" looks like an option. If it is the value, write --${name}=${value}`;
  throw invalid(message, 'orderonce help');
}

function valuesOf(options: readonly Token[]) {
  const flags: Record<string, string | boolean> = {};
  const settings: Record<string, string> = {};
  for (const { name, value } of options) {
    const setting = SETTING_FLAGS.get(name);
    if (setting === undefined) flags[name] = value ?? true;
    else settings[setting.name] = value ?? '';
  }
  const { color } = flags as Flags;
  const whens: readonly string[] = FLAGS.color.values;
  if (color !== undefined && !whens.includes(color)) {
    throw invalid(`--color must be ${whens.join(', ')}, not "${color}"`, 'orderonce help');
  }
  return { flags: flags as Flags, settings };
}

/** The form that the first word chooses; the first form if there is no word. */
function formOf(command: Command, rest: readonly string[]) {
  const [first, ...others] = rest;
  const [main] = command.forms as readonly [Form, ...Form[]];
  if (main.action === null) return { form: main, words: rest };
  if (first === undefined) return { form: main, words: [] };
  const form = command.forms.find(({ action }) => action === first);
  if (form !== undefined) return { form, words: others };
  const actions = command.forms.flatMap(({ action }) => (action === null ? [] : [action]));
  const message = `Unknown action "${first}"${didYouMean(first, actions)}`;
  throw invalid(
    message.endsWith('?') ? message : `${message}. Actions: ${actions.join(', ')}`,
    helpOf(command),
  );
}

/** Settings are accepted everywhere, because one set of flags is often given to all commands. */
function refuseForeign(name: string, command: Command, form: Form): void {
  const common: readonly string[] = COMMON_FLAGS;
  const known: readonly string[] = form.flags;
  if (SETTING_FLAGS.has(name) || common.includes(name) || known.includes(name)) return;
  const call = [command.name, form.action].filter((word) => word !== null).join(' ');
  const takes = known.length === 0 ? 'It takes settings only' : `It takes ${listOf(known)}`;
  throw invalid(`"orderonce ${call}" does not take --${name}. ${takes}`, helpOf(command));
}

const listOf = (names: readonly string[]) => names.map((name) => `--${name}`).join(', ');

function refuseWords(command: Command, form: Form, words: readonly string[]): void {
  const usage = formUsage(command, form);
  const extra = words.slice(form.args.length);
  if (extra.length > 0) {
    throw invalid(`Too many arguments: "${extra.join(' ')}". Usage: ${usage}`, helpOf(command));
  }
  const missing = form.args.slice(words.length).find(({ isOptional }) => isOptional !== true);
  if (missing !== undefined) {
    throw invalid(`${missing.name} is missing. Usage: ${usage}`, helpOf(command));
  }
  for (const [index, { name, values }] of form.args.entries()) {
    const word = words[index];
    if (word === undefined || values === undefined || values.includes(word)) continue;
    const meant = didYouMean(word, values) || `. Values: ${values.join(', ')}`;
    throw invalid(`${name} cannot be "${word}"${meant}`, helpOf(command));
  }
}

function refuseMissing(command: Command, form: Form, flags: Flags): void {
  const missing = form.required?.find((name) => flags[name] === undefined);
  if (missing === undefined) return;
  const message = `--${missing} is missing. Usage: ${formUsage(command, form)}`;
  throw invalid(message, helpOf(command));
}

const helpOf = ({ name }: Command) => `orderonce ${name} --help`;

function invalid(message: string, help: string): OrderonceError {
  const end = message.endsWith('?') ? '' : '.';
  return new OrderonceError('SETTING_INVALID', `${message}${end} See "${help}"`);
}
