/** The one table of commands. Dispatch, help, completion and docs/reference/commands.md use it. */
import type { Command } from './command.ts';
import { LOOK, PROVE } from './table-look.ts';
import { REPAIR } from './table-repair.ts';
import { RUN, SET_UP } from './table-run.ts';

/** It is here because it needs the whole table. */
const COMPLETION: Command = {
  name: 'completion',
  group: 'Set up',
  purpose: 'Prints a script that completes words in your shell',
  about:
    'Prints a script that completes commands, actions, options and settings when you press Tab.',
  forms: [
    {
      action: null,
      args: [{ name: 'SHELL', values: ['bash', 'zsh', 'fish', 'pwsh'] }],
      flags: [],
    },
  ],
  examples: [
    ['eval "$(orderonce completion bash)"', 'For this bash; the same line in ~/.bashrc for all.'],
    ['source <(orderonce completion zsh)', 'For zsh, after compinit.'],
    ['orderonce completion fish | source', 'For fish. PowerShell is "pwsh".'],
  ],
  settings: [],
  exits: { 0: null, 2: null },
  ignoresSettings: true,
  run: async (call) => (await import('./completion.ts')).runCompletion(call, COMMANDS),
};

export const COMMANDS: readonly Command[] = [
  ...RUN,
  ...LOOK,
  ...REPAIR,
  ...PROVE,
  ...SET_UP,
  COMPLETION,
];
