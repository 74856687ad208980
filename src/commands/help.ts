/** The help texts, made from the command table. Pure. */
import { SETTINGS, settingFlags } from '../settings/settings.ts';
import { type Command, EXIT_MEANINGS, GROUPS } from './command.ts';
import { COMMON_FLAGS, FLAGS, type FlagName, flagUsage } from './flags.ts';
import { formUsage } from './usage.ts';

const COLUMNS = 96;

/** The list of commands, at most 35 lines: it must fit a screen. */
export function overviewHelp(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const groups = GROUPS.flatMap((group) => [
    group,
    ...commands
      .filter((one) => one.group === group)
      .map(({ name, purpose }) => `  ${name.padEnd(width)}  ${purpose}`),
  ]);
  return `Usage: orderonce COMMAND [OPTIONS]

${groups.join('\n')}

orderonce COMMAND --help   usage, examples, options, settings and exit codes of a command
orderonce help settings    all settings; each is a flag, an environment variable or a line of .env
orderonce --version        the version of this release`;
}

/** All about one command. */
export function commandHelp(command: Command): string {
  const { about, forms, examples, exits, settings } = command;
  const usages = forms.flatMap((form) => [
    ...wrap(formUsage(command, form), '  ', '      '),
    ...(form.about === undefined ? [] : wrap(form.about, '        ', '        ')),
  ]);
  const own = [...new Set(forms.flatMap(({ flags }) => flags))];
  const calls = examples.flatMap(([call, what]) => [
    `  ${call}`,
    ...wrap(what, '      ', '      '),
  ]);
  const codes = Object.entries(exits).flatMap(([code, meaning]) =>
    wrap(meaning ?? EXIT_MEANINGS[Number(code)] ?? '', `  ${code.padEnd(4)}`, '      '),
  );
  return [
    ...wrap(about, '', ''),
    ...['', 'Usage', ...usages],
    ...['', 'Examples', ...calls],
    ...['', 'Options', ...[...own, ...COMMON_FLAGS].flatMap(optionLines)],
    ...(settings.length === 0 ? [] : ['', ...settingLines(settings)]),
    ...['', 'Exit codes', ...codes],
  ].join('\n');
}

/** All settings, as flags and names. */
export function settingsHelp(): string {
  const settings = settingFlags().flatMap(({ flag, name, help, fallback }) => [
    `  ${flag} (${name})`,
    ...wrap(`${help}${fallback}`, '      ', '      '),
  ]);
  return `Settings

Each one can be set by a flag, by an environment variable or in the file .env. A flag takes
precedence over the environment, and the environment over .env.

${settings.join('\n')}`;
}

/** The settings that a command reads, by name. */
export function settingsOf({ settings }: Pick<Command, 'settings'>): string[] {
  return Object.keys(SETTINGS).filter((name) => settings.some((one) => isMeant(name, one)));
}

const isMeant = (name: string, one: string) =>
  one.endsWith('*') ? name.startsWith(one.slice(0, -1)) : name === one;

function settingLines(settings: readonly string[]): string[] {
  const names = wrap(settings.join(', '), '  ', '  ');
  return ['Settings that it reads (described in "orderonce help settings")', ...names];
}

function optionLines(name: FlagName): string[] {
  const usage = `  ${flagUsage(name)}`;
  return [usage, ...wrap(FLAGS[name].help, '      ', '      ')];
}

/** The text in lines of up to COLUMNS characters. */
export function wrap(text: string, first: string, further: string): string[] {
  const lines: string[] = [];
  let line = first;
  let isEmpty = true;
  // An option and its value stay in one line.
  for (const word of text.match(/\[[^\]]*\]|\S+/g) ?? []) {
    if (!isEmpty && line.length + 1 + word.length > COLUMNS) {
      lines.push(line);
      line = further;
      isEmpty = true;
    }
    line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  return [...lines, line];
}
