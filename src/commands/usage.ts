/** How a command is called, in one line. Pure. */
import type { Argument, Command, Form } from './command.ts';
import { flagUsage } from './flags.ts';

/** `orderonce dead-letters show PLACE [--json]`. */
export function formUsage(command: Command, form: Form): string {
  const flags = form.flags.map((name) =>
    form.required?.includes(name) === true ? flagUsage(name) : `[${flagUsage(name)}]`,
  );
  return [...callOf(command, form), ...flags].join(' ');
}

function callOf({ name, forms }: Command, form: Form): string[] {
  // The first action is the default one, so it may be left out.
  const isDefault = form === forms[0] && form.args.every(({ isOptional }) => isOptional === true);
  const action = form.action !== null && isDefault ? `[${form.action}]` : (form.action ?? '');
  return ['orderonce', name, action, ...form.args.map(argumentUsage)].filter((word) => word !== '');
}

function argumentUsage({ name, isOptional, values }: Argument): string {
  const shown = values === undefined ? name : values.join('|');
  return isOptional === true ? `[${shown}]` : shown;
}
