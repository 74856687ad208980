/** What the scripts for bash and zsh have in common. Pure. */
import type { CommandWords, FormWords, OptionWord } from './model.ts';
import { allOptions } from './model.ts';

/** The pattern of a `case` for these options; one that never matches if there are none. */
export function patternOf(options: readonly OptionWord[]): string {
  return options.length === 0 ? "''" : options.map(({ name }) => name).join('|');
}

/** Options that take a value: the word behind them is none of the command's. */
export function valuePattern(words: readonly CommandWords[]): string {
  return patternOf(allOptions(words).filter(({ takesValue }) => takesValue));
}

/** The forms, each with the pattern of `"$command $action"` that means it. */
export function formPatterns(
  words: readonly CommandWords[],
): readonly { readonly pattern: string; readonly form: FormWords }[] {
  return words.flatMap(({ name, forms }) =>
    forms.map((form, index) => {
      if (form.action === null) return { pattern: `'${name} '*`, form };
      const exact = `'${name} ${form.action}'`;
      return { pattern: index === 0 ? `'${name} '|${exact}` : exact, form };
    }),
  );
}
