/** Where in a schema the part is that makes the whole unusable. Libraries say only what it is. */

type Part = readonly [path: string, schema: object];

const DEPTH_MAX = 32;

/**
 * @param fails tells whether a part of the schema is unusable by itself.
 * @returns the JSON pointer of the innermost such part.
 */
export function faultPath(schema: object, fails: (part: object) => boolean): string {
  let [at, part] = ['#', schema];
  for (let depth = 0; depth < DEPTH_MAX; depth++) {
    const inner = partsOf(part).find(([, child]) => fails(child));
    if (inner === undefined) break;
    [at, part] = [at + inner[0], inner[1]];
  }
  return at;
}

/** The schemas directly inside a JSON Schema, or inside a schema of Zod 4. */
function partsOf(schema: object): readonly Part[] {
  const { _zod } = schema as { readonly _zod?: { readonly def: object } };
  return _zod === undefined ? partsOfJson(schema) : partsOfZod(_zod.def);
}

const MAPS = ['properties', 'patternProperties', '$defs', 'definitions'];
const LISTS = ['anyOf', 'oneOf', 'allOf', 'prefixItems'];
const SINGLE = ['items', 'additionalProperties', 'not', 'if', 'then', 'else', 'contains'];

function partsOfJson(schema: object): readonly Part[] {
  return Object.entries(schema).flatMap(([key, value]): readonly Part[] => {
    if (typeof value !== 'object' || value === null) return [];
    if (SINGLE.includes(key)) return [[`/${key}`, value]];
    if (!MAPS.includes(key) && !LISTS.includes(key)) return [];
    return Object.entries(value)
      .filter((entry): entry is [string, object] => isObject(entry[1]))
      .map(([name, child]) => [`/${key}/${name}`, child]);
  });
}

/** Where the members of a definition of Zod are in the JSON Schema. Of a wrapper, at the same place. */
const ZOD_PLACES: Readonly<Record<string, string>> = {
  shape: '/properties',
  element: '/items',
  options: '/anyOf',
  items: '/prefixItems',
  valueType: '/additionalProperties',
};

function partsOfZod(def: object): readonly Part[] {
  return Object.entries(def).flatMap(([key, value]): readonly Part[] => {
    if (!isObject(value)) return [];
    const place = ZOD_PLACES[key] ?? '';
    if ('~standard' in value) return [[place, value]];
    if (place === '') return [];
    return Object.entries(value)
      .filter((entry): entry is [string, object] => isObject(entry[1]))
      .map(([name, child]) => [`${place}/${name}`, child]);
  });
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
