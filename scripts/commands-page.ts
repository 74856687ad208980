/** docs/reference/commands.md, from the command table. */

import { type Command, EXIT_MEANINGS, GROUPS } from '../src/commands/command.ts';
import { COMMANDS } from '../src/commands/command-table.ts';
import { FLAGS, type FlagName, flagUsage } from '../src/commands/flags.ts';
import { wrap } from '../src/commands/help.ts';
import { formUsage } from '../src/commands/usage.ts';

/** @param made the sentence that says that the page is generated */
export function commandsPage(made: string): string {
  const list = GROUPS.flatMap((group) =>
    COMMANDS.filter((one) => one.group === group).map(
      ({ name, purpose }) => `| ${group} | [\`${name}\`](#${name}) | ${purpose} |`,
    ),
  );
  const codes = Object.entries(EXIT_MEANINGS).map(([code, what]) => `| ${code} | ${what} |`);
  return `# Commands

${made}
\`npx orderonce help\` lists the commands, \`npx orderonce COMMAND --help\` explains one, and
\`npx orderonce help settings\` lists the settings.

| group | command | what it does |
|---|---|---|
${list.join('\n')}

- **Output.** Standard output has the data, standard error everything else: progress, notes and
  errors. With \`--json\`, data are JSON with the names that the [HTTP API](../http-api.md) has, one
  object per line where there may be many, and an error is
  \`{"error": {"code": …, "message": …, "exit_code": …}}\` on standard error.
- **Colour** is used on a terminal only, unless \`--color always\` or \`FORCE_COLOR\` demands it.
  \`--color never\` and \`NO_COLOR\` turn it off.
- **Options** that a command does not take, misspelled words and surplus words are refused with exit
  code 2, before anything is done. Every command accepts every setting as a flag.
- **Texts of events** are shown with control characters as escapes (\`\\u001b\`). JSON has the texts as
  they are.

| exit code | meaning, unless the command says it more exactly |
|---|---|
${codes.join('\n')}

${COMMANDS.map(commandSection).join('\n')}`;
}

function commandSection(command: Command): string {
  const { name, about, forms, examples, settings, exits } = command;
  const calls = examples.map(([call, what]) => `${call}  # ${what}`);
  const actions = forms
    .filter((form) => form.about !== undefined)
    .map((form) => `| \`${form.action}\` | ${form.about} |`);
  const own = [...new Set(forms.flatMap(({ flags }) => flags))];
  const options = own.map((flag: FlagName) => `| \`${flagUsage(flag)}\` | ${FLAGS[flag].help} |`);
  const codes = Object.entries(exits).map(
    ([code, what]) => `| ${code} | ${what ?? EXIT_MEANINGS[Number(code)]} |`,
  );
  const table = (head: string, rows: readonly string[]) =>
    rows.length === 0 ? '' : `\n| ${head} | |\n|---|---|\n${rows.join('\n')}\n`;
  const reads =
    settings.length === 0
      ? ''
      : `\n${prose(`It reads ${settings.map((one) => `\`${one}\``).join(', ')} ([settings](settings.md)).`)}\n`;
  return `## ${name}

${prose(about)}

\`\`\`text
${forms.flatMap((form) => wrap(formUsage(command, form), '', '  ')).join('\n')}
\`\`\`

\`\`\`text
${calls.join('\n')}
\`\`\`
${table('action', actions)}${table('option', options)}${table('exit code', codes)}${reads}`;
}

/** Wrapped as the other pages are. */
function prose(text: string): string {
  return wrap(text, '', '').join('\n');
}
