/**
 * Where a team's modules are, and what they get when they import `orderonce/handlers` and
 * `orderonce/events`.
 */
import { existsSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const PATH = /^(\.{0,2}[/\\]|[a-z]:[/\\])|\.[cm]?[jt]s$/i;
const NOT_FOUND = ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'];

/** What a team's modules import from the package, and the modules beside this one that it means. */
const OWN = new Map([
  ['orderonce/handlers', ownModule('handler')],
  ['orderonce/events', ownModule('define-events')],
]);

/**
 * The module beside this one: source or compiled, as this file is. `compiled` is where package.json
 * leads in a clone in which the package was built, which may be out of date.
 */
function ownModule(name: string): { readonly url: string; readonly compiled: string } {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return {
    url: import.meta.resolve(`./${name}.${extension}`),
    compiled: new URL(`../../dist/handlers/${name}.js`, import.meta.url).href,
  };
}

let isHooked = false;
/** While a package name is resolved: from the working directory, not from here. */
let fromWorkingDirectory: string | undefined;

/**
 * The file of a team's module.
 *
 * @param module the setting HANDLERS_MODULE or EVENTS_MODULE: a path from the working directory, or
 * the name of a package (`@shop/handlers`, `@shop/handlers/charge`) that is installed there.
 * @returns an absolute path. There may be no such file where `module` is a path.
 * @throws Node's error where no such package is found.
 */
export function fileOfModule(module: string): string {
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
 * Imports the file. `orderonce/handlers` and `orderonce/events` are resolved as usual, so a team's
 * own node_modules decides first. Where that has no such package, as for a file mounted into a
 * container, this process's own copy is used.
 */
export async function importModule(file: string): Promise<Record<string, unknown>> {
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
      const own = OWN.get(specifier);
      if (own === undefined) return next(specifier, context);
      try {
        const found = next(specifier, context);
        return found.url === own.compiled ? { url: own.url, shortCircuit: true } : found;
      } catch (error) {
        const { code } = error as { code?: unknown };
        if (!NOT_FOUND.includes(String(code))) throw error;
        return { url: own.url, shortCircuit: true };
      }
    },
  });
}
