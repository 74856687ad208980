import type { CommandWords, OptionWord } from './model.ts';

/** The script for fish. */
export function fishCompletion(words: readonly CommandWords[]): string {
  const names = words.map(({ name }) => name).join(' ');
  const lines = words.flatMap(({ name, about, forms }) => {
    const actions = forms.flatMap(({ action }) => (action === null ? [] : [action]));
    const isOf = `__fish_seen_subcommand_from ${name}`;
    const isBare =
      actions.length === 0
        ? isOf
        : `${isOf}; and not __fish_seen_subcommand_from ${actions.join(' ')}`;
    return [
      line(`not __fish_seen_subcommand_from ${names}`, `-a ${name}`, about),
      ...forms.flatMap((form, index) => [
        ...(form.action === null ? [] : [line(isBare, `-a ${form.action}`, form.about)]),
        ...form.values.map((value) => line(isOf, `-a ${value}`, '')),
        ...form.options.map((option) => {
          const isForm =
            form.action === null ? isOf : `${isOf}; and __fish_seen_subcommand_from ${form.action}`;
          // The first action is the default one.
          const isDefault =
            index === 0 && actions.length > 0 ? `${isBare}; or begin; ${isForm}; end` : isForm;
          return line(isDefault, optionOf(option), option.about);
        }),
      ]),
    ];
  });
  return `# fish completion of orderonce: orderonce completion fish | source
complete -c orderonce -f
complete -c orderonce -n '__fish_seen_subcommand_from send init' -F
${lines.join('\n')}`;
}

function optionOf({ name, takesValue, values, isFile }: OptionWord): string {
  const long = `-l ${name.slice(2)}`;
  if (!takesValue) return long;
  if (values.length > 0) return `${long} -x -a '${values.join(' ')}'`;
  return isFile ? `${long} -r -F` : `${long} -x`;
}

function line(condition: string, what: string, about: string): string {
  const text = about === '' ? '' : ` -d '${about.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  return `complete -c orderonce -n '${condition}' ${what}${text}`;
}
