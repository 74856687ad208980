/** Where the team's handlers are, and what they get when they import `orderonce/handlers`. */
import { existsSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const PATH = /^(\.{0,2}[/\\]|[a-z]:[/\\])|\.[cm]?[jt]s$/i;
const NOT_FOUND = ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'];

const OWN_NAME = 'orderonce/handlers';
/** The module beside this one: source or compiled, as this file is. */
const OWN = import.meta.resolve(import.meta.url.endsWith('.ts') ? './handler.ts' : './handler.js');
/** In a clone in which the package was built, package.json leads here. It may be out of date. */
const OWN_COMPILED = new URL('../../dist/handlers/handler.js', import.meta.url).href;

let isHooked = false;
/** While a package name is resolved: from the working directory, not from here. */
let fromWorkingDirectory: string | undefined;

/**
 * The file of a team's module.
 *
 * @param module the setting HANDLERS_MODULE: a path from the working directory, or the name of a
 * package (`@shop/handlers`, `@shop/handlers/charge`) that is installed there.
 * @returns an absolute path. There may be no such file where `module` is a path.
 * @throws Node's error where no such package is found.
 */
export function fileOfHandlers(module: string): string {
  const path = resolve(module);
  if (PATH.test(module) || existsSync(path)) return path;
  hookOnce();
  fromWorkingDirectory = module;
  try {
    return fileURLToPath(import.meta.resolve(module));
  } finally {
    fromWorkingDirectory = undefined;
  }
}

/**
 * Imports the file. `orderonce/handlers` is resolved as usual, so a team's own node_modules decides
 * first. Where that has no such package, as for a file mounted into a container, this process's own
 * copy is used.
 */
export async function importHandlersFile(file: string): Promise<Record<string, unknown>> {
  hookOnce();
  return await import(pathToFileURL(file).href);
}

/** https://nodejs.org/api/module.html#moduleregisterhooksoptions */
function hookOnce(): void {
  if (isHooked) return;
  isHooked = true;
  registerHooks({
    resolve: (specifier, context, next) => {
      if (specifier === fromWorkingDirectory && context.parentURL === import.meta.url) {
        const parentURL = pathToFileURL(join(process.cwd(), 'package.json')).href;
        return next(specifier, { ...context, parentURL });
      }
      if (specifier !== OWN_NAME) return next(specifier, context);
      try {
        const found = next(specifier, context);
        return found.url === OWN_COMPILED ? { url: OWN, shortCircuit: true } : found;
      } catch (error) {
        const { code } = error as { code?: unknown };
        if (!NOT_FOUND.includes(String(code))) throw error;
        return { url: OWN, shortCircuit: true };
      }
    },
  });
}
