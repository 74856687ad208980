import { OrderonceError, reasonOf } from '../errors.ts';
import type { Handler } from './handler.ts';
import { fileOfModule, importModule } from './team-module.ts';

/**
 * Loads a team's handlers.
 * @param path of the module from the working directory, or the name of a package: JavaScript, or
 * TypeScript, whose types Node can strip only outside of node_modules.
 * @throws HANDLERS_INVALID with what is wrong.
 */
export async function loadHandlers(path: string): Promise<readonly Handler[]> {
  const exported = await importHandlers(path);
  try {
    return checked(path, exported);
  } catch (error) {
    // Reading a property of what a module exports may throw.
    if (error instanceof OrderonceError) throw error;
    throw invalid(path, `exports something that cannot be read: ${reasonOf(error)}`, error);
  }
}

function checked(path: string, exported: unknown): readonly Handler[] {
  if (!Array.isArray(exported) || exported.length === 0) {
    throw invalid(path, 'exports no array "handlers" with at least one handler');
  }
  const wrong = exported.findIndex(
    (handler) =>
      typeof handler?.name !== 'string' ||
      typeof handler.handle !== 'function' ||
      !isListOfTypes(handler.on) ||
      !['function', 'undefined'].includes(typeof handler.check),
  );
  if (wrong !== -1) {
    throw invalid(
      path,
      `exports a handler (number ${wrong}, counted from 0) that has no "name" or no function "handle", whose "on" is not a list of types, or whose "check" is not a function`,
    );
  }
  const reserved = exported.find(({ name }) => name.startsWith('orderonce.'));
  if (reserved !== undefined) throw invalid(path, 'uses a name that begins with "orderonce."');
  const names = exported.map(({ name }) => name);
  if (new Set(names).size < names.length)
    throw invalid(path, `uses a name twice: ${names.join(', ')}`);
  return exported;
}

function isListOfTypes(on: unknown): boolean {
  if (on === undefined) return true;
  return Array.isArray(on) && on.length > 0 && on.every((type) => typeof type === 'string');
}

async function importHandlers(path: string): Promise<unknown> {
  try {
    return (await importModule(fileOfModule(path))).handlers;
  } catch (error) {
    throw invalid(path, `cannot be loaded: ${reasonOf(error)}`, error);
  }
}

function invalid(path: string, what: string, cause?: unknown): OrderonceError {
  return new OrderonceError('HANDLERS_INVALID', `HANDLERS_MODULE "${path}" ${what}`, { cause });
}
