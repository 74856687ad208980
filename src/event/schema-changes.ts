/** Decides whether a changed JSON Schema still accepts all data that it accepted before. Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { JsonSchema } from './declaration.ts';

/** Keywords that only describe. They may change at any time. */
const ANNOTATIONS = ['title', 'description', 'examples', '$comment', 'deprecated'];
/** Keywords whose value is a schema, and whether an object in it may grow. */
const SUBSCHEMAS: Readonly<Record<string, boolean>> = {
  items: true,
  additionalProperties: true,
  unevaluatedProperties: true,
  unevaluatedItems: true,
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: true,
  else: true,
  not: false,
  if: false,
  contains: false,
  propertyNames: false,
};
/** The same for keywords whose value is a list of schemas. */
const LISTS: Readonly<Record<string, boolean>> = { prefixItems: true, allOf: true, anyOf: true };
const NEGATIONS = /"(not|if|contains|propertyNames|oneOf)":/;
/** Keywords whose value is a set; its order means nothing. */
const SETS = ['required', 'enum', 'type'];

/**
 * The only change that breaks nobody is a further optional property: an older reader does not look
 * at it, and data without it stays valid. What a schema negates, and an alternative of which exactly
 * one must fit, may not grow: there, accepting more means accepting less. An object that allows
 * further properties is taken to have none of the new name.
 *
 * @returns the path of the first other difference, as a JSON pointer; null if there is none.
 */
export function firstBreakingChange(
  before: JsonSchema | null,
  after: JsonSchema | null,
): string | null {
  if (before === null || after === null) return before === after ? null : '#';
  return changeIn(before, after, '#', true);
}

/** @param mayGrow whether optional properties may be added here and below. */
function changeIn(before: unknown, after: unknown, path: string, mayGrow: boolean): string | null {
  if (!isSchema(before) || !isSchema(after)) return before === after ? null : path;
  const keywords = new Set([...Object.keys(before), ...Object.keys(after)]);
  for (const keyword of keywords) {
    if (ANNOTATIONS.includes(keyword)) continue;
    const found = changeOfKeyword(keyword, before, after, { path: `${path}/${keyword}`, mayGrow });
    if (found !== null) return found;
  }
  return null;
}

type Place = { readonly path: string; readonly mayGrow: boolean };

function changeOfKeyword(
  keyword: string,
  before: JsonSchema,
  after: JsonSchema,
  { path, mayGrow }: Place,
): string | null {
  const [old, now] = [before[keyword], after[keyword]];
  if (keyword === 'properties') {
    const isNewOne = (name: string) => mayGrow && mayHave(before, name, asSchemas(now)[name]);
    return changeOfEach(asSchemas(old), asSchemas(now), { path, mayGrow }, isNewOne);
  }
  if (keyword === '$defs' || keyword === 'definitions') {
    // It is not known where a definition is used.
    const grows = mayGrow && !NEGATIONS.test(JSON.stringify(before));
    return changeOfEach(asSchemas(old), asSchemas(now), { path, mayGrow: grows }, () => true);
  }
  if (keyword === 'patternProperties' || keyword === 'dependentSchemas') {
    return changeOfEach(asSchemas(old), asSchemas(now), { path, mayGrow }, () => false);
  }
  const inside = { path, mayGrow: mayGrow && SUBSCHEMAS[keyword] === true };
  if (keyword in SUBSCHEMAS) return changeIn(old, now, inside.path, inside.mayGrow);
  if (keyword in LISTS || keyword === 'oneOf') {
    const grows = mayGrow && (LISTS[keyword] ?? isDiscriminated(old));
    if (!Array.isArray(old) || !Array.isArray(now) || old.length !== now.length) return path;
    return firstOf(old.map((one, i) => changeIn(one, now[i], `${path}/${i}`, grows)));
  }
  if (SETS.includes(keyword)) return isSameSet(old, now) ? null : path;
  return isDeepStrictEqual(old, now) ? null : path;
}

function changeOfEach(
  before: JsonSchema,
  after: JsonSchema,
  { path, mayGrow }: Place,
  isAllowedIfNew: (name: string) => boolean,
): string | null {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return firstOf(
    names.map((name) => {
      const here = `${path}/${name}`;
      if (!Object.hasOwn(before, name)) return isAllowedIfNew(name) ? null : here;
      return changeIn(before[name], after[name], here, mayGrow);
    }),
  );
}

/** Whether data that the old schema accepts cannot contradict the new property. */
function mayHave(before: JsonSchema, name: string, property: unknown): boolean {
  if (property === false) return false;
  const patterns = Object.keys(asSchemas(before.patternProperties));
  if (patterns.some((pattern) => new RegExp(pattern, 'u').test(name))) return false;
  const others = before.additionalProperties ?? before.unevaluatedProperties;
  return !isSchema(others) || isDeepStrictEqual(others, property);
}

/** Whether a required property with a constant of its own tells the alternatives apart. */
function isDiscriminated(alternatives: unknown): boolean {
  if (!Array.isArray(alternatives) || !alternatives.every(isSchema)) return false;
  const constants = (name: string) =>
    alternatives.map(({ properties, required }) => {
      const property = asSchemas(properties)[name];
      const isRequired = Array.isArray(required) && required.includes(name);
      return isRequired && isSchema(property) ? property.const : undefined;
    });
  const names = Object.keys(asSchemas(alternatives[0]?.properties));
  return names.some((name) => {
    const found = constants(name);
    return !found.includes(undefined) && new Set(found).size === alternatives.length;
  });
}

function isSameSet(before: unknown, after: unknown): boolean {
  const listOf = (value: unknown) => (value === undefined ? [] : [value].flat());
  const [old, now] = [listOf(before), listOf(after)];
  const has = (list: unknown[], item: unknown) => list.some((one) => isDeepStrictEqual(one, item));
  return old.every((item) => has(now, item)) && now.every((item) => has(old, item));
}

const firstOf = (found: readonly (string | null)[]) => found.find((path) => path !== null) ?? null;
const asSchemas = (value: unknown): JsonSchema => (isSchema(value) ? value : {});

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
