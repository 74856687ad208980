/** What can be completed, from the command table: the same for all shells. Pure. */
import { settingFlags } from '../../settings/settings.ts';
import type { Command, Form } from '../command.ts';
import { COMMON_FLAGS, FLAGS, type FlagName, valuesOf } from '../flags.ts';
import { settingsOf } from '../help.ts';

export type OptionWord = {
  /** With its hyphens. */
  readonly name: string;
  readonly about: string;
  readonly takesValue: boolean;
  /** Its values, where they are few; `file` where it is one. */
  readonly values: readonly string[];
  readonly isFile: boolean;
};
export type FormWords = {
  readonly action: string | null;
  readonly about: string;
  /** The values of its first argument, where they are few. */
  readonly values: readonly string[];
  readonly options: readonly OptionWord[];
};
export type CommandWords = {
  readonly name: string;
  readonly about: string;
  /** The first one is meant while no action is given. */
  readonly forms: readonly FormWords[];
};

const FILE_VALUE = /^(path\/|FILE$)/;

/** The words of all commands, and of `help`. */
export function completionWords(commands: readonly Command[]): readonly CommandWords[] {
  const topics = ['settings', ...commands.map(({ name }) => name)];
  const help = { action: null, about: '', values: topics, options: [] };
  return [
    ...commands.map((command) => ({
      name: command.name,
      about: command.purpose,
      forms: command.forms.map((form) => formWords(command, form)),
    })),
    { name: 'help', about: 'Explains a command, or all settings', forms: [help] },
  ];
}

function formWords(command: Command, { action, about = '', args, flags }: Form): FormWords {
  const names = settingsOf(command);
  const settings = settingFlags()
    .filter(({ name }) => names.includes(name))
    .map(({ flag, help, type }) => ({
      name: flag,
      about: firstSentence(help),
      takesValue: true,
      values: [],
      isFile: FILE_VALUE.test(type),
    }));
  const own = [...flags, ...COMMON_FLAGS].map(optionWord);
  return {
    action,
    about: firstSentence(about),
    values: args[0]?.values ?? [],
    options: [...own, ...settings],
  };
}

function optionWord(name: FlagName): OptionWord {
  const flag = FLAGS[name];
  return {
    name: `--${name}`,
    about: firstSentence(flag.help),
    takesValue: flag.type === 'string',
    values: valuesOf(name),
    isFile: flag.type === 'string' && FILE_VALUE.test(flag.value),
  };
}

/** Shells show one line for each word. */
function firstSentence(text: string): string {
  const [first = ''] = text.split(/(?<=[.:;])\s/);
  return first.replace(/[.:;]$/, '').slice(0, 70);
}

/** Every option once, by name: wherever an option is used, its values are the same. */
export function allOptions(words: readonly CommandWords[]): readonly OptionWord[] {
  const options = words.flatMap(({ forms }) => forms.flatMap((form) => form.options));
  return [...new Map(options.map((option) => [option.name, option])).values()];
}
