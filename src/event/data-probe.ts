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
/** Each probe checks a whole sample, so the time of a large schema is bounded. */
const PROBES_MAX = 500;
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
  let left = PROBES_MAX;
  for (const { path, sample } of probesOf(schema, 0)) {
    if (left-- === 0) break;
    // Other places of the sample may be wrong too: patterns, for example, are not followed.
    const isRefused = issuePaths(sample).some((found) => found.every((key, i) => key === path[i]));
    if (!isRefused) return `#/${path.join('/')}`;
  }
  return null;
}

function* probesOf(schema: JsonSchema, depth: number): Generator<Probe> {
  if (depth > DEPTH_MAX) return;
  yield* probesOfTypes(schema);
  const { type, properties, additionalProperties } = schema;
  if (type === 'array') yield* probesOfItems(schema, depth);
  if (type !== 'object') return;
  const members = isSchema(properties) ? Object.entries(properties) : [];
  const others = members.length === 0 ? [['other', additionalProperties] as const] : [];
  for (const [key, member] of [...members, ...others]) {
    if (!isSchema(member)) continue;
    for (const { path, sample } of probesOf(member, depth + 1)) {
      yield { path: [key, ...path], sample: { ...sampleOf(schema, depth), [key]: sample } };
    }
  }
}

/** A value that fits none of the types that a schema names: text, for a number or null. */
function* probesOfTypes({ type, anyOf }: JsonSchema): Generator<Probe> {
  const alternatives = Array.isArray(anyOf) ? anyOf : [{ type }];
  const types = alternatives.flatMap((one) => (isSchema(one) ? one.type : undefined));
  // An alternative without a type may accept anything.
  if (!types.every((name) => typeof name === 'string')) return;
  const accepted = types.map((name) => (name === 'integer' ? 'number' : name));
  for (const name of types.filter((one) => one in OF_OTHER_TYPE)) {
    const sample = OF_OTHER_TYPE[name];
    if (!accepted.includes(typeof sample)) yield { path: [], sample };
  }
}

function* probesOfItems({ items, prefixItems }: JsonSchema, depth: number): Generator<Probe> {
  const first = Array.isArray(prefixItems) ? prefixItems : isSchema(items) ? [items] : [];
  const samples = first.map((item) => (isSchema(item) ? SAMPLES[String(item.type)] : null));
  for (const [i, item] of first.entries()) {
    if (!isSchema(item)) continue;
    for (const { path, sample } of probesOf(item, depth + 1)) {
      yield { path: [i, ...path], sample: samples.with(i, sample) };
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
