import { OrderonceError, reasonOf } from '../errors.ts';
import type { EventDefinition } from '../event/declaration.ts';
import { compileEvents, type DeclaredEvents } from '../event/declared-events.ts';
import { fileOfModule, importModule } from './team-module.ts';

/**
 * Loads a team's declaration of its events.
 * @param path of the module from the working directory, or the name of a package.
 * @throws EVENTS_INVALID with what is wrong.
 */
export async function loadEvents(path: string): Promise<DeclaredEvents> {
  let exported: unknown;
  try {
    exported = (await importModule(fileOfModule(path))).default;
  } catch (error) {
    // An error of defineEvents says what is wrong.
    if (error instanceof OrderonceError) throw error;
    throw invalid(path, `cannot be loaded: ${reasonOf(error)}`, error);
  }
  if (!isDefinition(exported)) {
    throw invalid(path, 'has no default export that defineEvents of orderonce/events made');
  }
  return compileEvents(exported);
}

function isDefinition(value: unknown): value is EventDefinition {
  return typeof value === 'object' && value !== null && 'types' in value && 'options' in value;
}

function invalid(path: string, what: string, cause?: unknown): OrderonceError {
  return new OrderonceError('EVENTS_INVALID', `EVENTS_MODULE "${path}" ${what}`, { cause });
}
