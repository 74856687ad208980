/** Decides whether a changed JSON Schema still accepts all data that it accepted before. */
import type { JsonSchema } from './declaration.ts';

/** Keywords that only describe. They may change at any time. */
const ANNOTATIONS = ['title', 'description', 'examples', '$comment', 'deprecated', '$id'];

/**
 * The only change that breaks nobody is a further optional property: an older reader does not look
 * at it, and data without it stays valid.
 * @returns the path of the first other difference, as a JSON pointer; null if there is none.
 */
export function firstBreakingChange(
  before: JsonSchema | null,
  after: JsonSchema | null,
): string | null {
  return differenceIn(before, after, '#', false);
}

/** @param mayGrow whether the object is one of `properties`, to which members may be added. */
function differenceIn(
  before: unknown,
  after: unknown,
  path: string,
  mayGrow: boolean,
): string | null {
  if (!isObject(before) || !isObject(after)) return Object.is(before, after) ? null : path;
  if (Array.isArray(before) !== Array.isArray(after)) return path;
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  for (const key of keys) {
    const isSchema = !Array.isArray(before) && !mayGrow;
    if (isSchema && ANNOTATIONS.includes(key)) continue;
    if (mayGrow && !Object.hasOwn(before, key)) continue;
    if (key === 'required' && isSchema && isSameSet(before[key], after[key])) continue;
    const found = differenceIn(
      before[key],
      after[key],
      `${path}/${key}`,
      isSchema && key === 'properties',
    );
    if (found !== null) return found;
  }
  return null;
}

function isSameSet(before: unknown = [], after: unknown = []): boolean {
  if (!Array.isArray(before) || !Array.isArray(after) || before.length !== after.length)
    return false;
  return before.every((item) => after.includes(item));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
