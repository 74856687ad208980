/** `orderonce completion SHELL`: prints the script that completes words in that shell. */

import { type Call, type Command, EXIT } from './command.ts';
import { bashCompletion } from './completion/bash.ts';
import { fishCompletion } from './completion/fish.ts';
import { completionWords } from './completion/model.ts';
import { pwshCompletion } from './completion/pwsh.ts';
import { zshCompletion } from './completion/zsh.ts';

const SCRIPTS = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
  pwsh: pwshCompletion,
};

/** @returns exit code 0 */
export async function runCompletion(
  { words: [shell = ''], out }: Call,
  commands: readonly Command[],
): Promise<number> {
  const script = SCRIPTS[shell as keyof typeof SCRIPTS](completionWords(commands));
  out.data(script, script);
  return EXIT.ok;
}
