/**
 * Finds a Standard Schema that changes values, which its JSON Schema need not show: a coercion
 * accepts text where it declares a number. The probe checks a sample with text in such a place.
 */
import type { JsonSchema } from './declaration.ts';

/** A value that no schema of this type accepts unless it coerces. */
const OF_OTHER_TYPE: Readonly<Record<string, unknown>> = {
  integer: '1',
  number: '1',
  boolean: 'true',
  string: 1,
};
const DEPTH_MAX = 8;
/** A sample with one place that has a value of another type than is declared. */
type Probe = { readonly path: readonly (string | number)[]; readonly sample: unknown };

/**
 * @param issuePaths checks a value, and gives the paths of what is wrong with it.
 * @returns the first place where a value of another type is accepted, as a JSON pointer; or null.
 */
export function findCoercion(
  schema: JsonSchema,
  issuePaths: (value: unknown) => readonly (readonly (string | number)[])[],
): string | null {
  for (const { path, sample } of probesOf(schema, 0)) {
    // Other places of the sample may be wrong too: patterns, for example, are not followed.
    const isRefused = issuePaths(sample).some((found) => found.every((key, i) => key === path[i]));
    if (!isRefused) return `#/${path.join('/')}`;
  }
  return null;
}

function* probesOf(schema: JsonSchema, depth: number): Generator<Probe> {
  const type = String(schema.type);
  if (depth > DEPTH_MAX) return;
  if (type in OF_OTHER_TYPE) yield { path: [], sample: OF_OTHER_TYPE[type] };
  if (type === 'array' && isSchema(schema.items)) {
    for (const { path, sample } of probesOf(schema.items, depth + 1)) {
      yield { path: [0, ...path], sample: [sample] };
    }
  }
  if (type !== 'object' || !isSchema(schema.properties)) return;
  for (const [key, property] of Object.entries(schema.properties)) {
    if (!isSchema(property)) continue;
    for (const { path, sample } of probesOf(property, depth + 1)) {
      yield { path: [key, ...path], sample: { ...sampleOf(schema, depth), [key]: sample } };
    }
  }
}

/** A value of the schema's type. It need not be valid. */
function sampleOf(schema: JsonSchema, depth: number): Record<string, unknown> {
  const { properties } = schema;
  if (!isSchema(properties) || depth > DEPTH_MAX) return {};
  const members = Object.entries(properties).map(([key, property]) => {
    const part = isSchema(property) ? property : {};
    return [key, part.type === 'object' ? sampleOf(part, depth + 1) : SAMPLES[String(part.type)]];
  });
  return Object.fromEntries(members);
}

const SAMPLES: Readonly<Record<string, unknown>> = {
  integer: 1,
  number: 1,
  boolean: true,
  string: 'x',
  array: [],
};

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Whether everything that a check gave back is as it was given. A check may leave members out: most
 * libraries drop those that they do not know.
 */
export function isUnchanged(given: unknown, output: unknown): boolean {
  if (typeof output !== 'object' || output === null) return Object.is(given, output);
  if (typeof given !== 'object' || given === null) return false;
  if (Array.isArray(output)) {
    if (!Array.isArray(given) || given.length !== output.length) return false;
    return output.every((item, i) => isUnchanged(given[i], item));
  }
  return Object.entries(output).every(
    ([key, member]) =>
      Object.hasOwn(given, key) && isUnchanged((given as Record<string, unknown>)[key], member),
  );
}
