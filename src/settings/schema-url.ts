/** The schema's name in a database URL: `?schema=`. Pure. */
import { OrderonceError } from '../errors.ts';

/** PostgreSQL would cut a longer name short without a word. */
const NAME_BYTES_MAX = 63;

/** Whether a schema of ours may have this name: whatever PostgreSQL takes and does not reserve. */
export function isSchemaName(name: string): boolean {
  const isReserved = /^pg_/i.test(name) || name === 'information_schema';
  const bytes = Buffer.byteLength(name);
  return bytes > 0 && bytes <= NAME_BYTES_MAX && !name.includes('\0') && !isReserved;
}

/** Parameters of other drivers that mean a schema or search_path, and that ours would ignore. */
const FOREIGN_PARAMETERS = ['currentSchema', 'search_path'];

/**
 * Takes `schema=` out of the query of a URL.
 * @throws SETTING_INVALID where it is no name, or where another driver's parameter was meant.
 */
export function splitSchema(url: string): { readonly url: string; readonly schema?: string } {
  const [base = '', query] = url.split(/\?(.*)/s, 2);
  if (query === undefined) return { url };
  const parts = query.split('&');
  const foreign = FOREIGN_PARAMETERS.find((name) => new URLSearchParams(query).has(name));
  if (foreign !== undefined) {
    const way = 'DATABASE_SCHEMA (or ?schema=) says where the tables are';
    const ofHandlers = `for the search_path of handlers: ?options=-c%20search_path%3DNAME`;
    throw invalid(`DATABASE_URL must not have ?${foreign}=: ${way}; ${ofHandlers}`);
  }
  const schema = new URLSearchParams(query).get('schema');
  if (schema === null) return { url };
  if (!isSchemaName(schema)) throw invalid(`?schema= of DATABASE_URL must be the name of a schema`);
  const rest = parts.filter((part) => !part.startsWith('schema=')).join('&');
  return { url: rest === '' ? base : `${base}?${rest}`, schema };
}

/**
 * The URL with the schema in it.
 * @throws SETTING_INVALID where it has another one.
 */
export function joinSchema(url: string, schema: string | undefined): string {
  const given = splitSchema(url).schema;
  if (schema === undefined || schema === given) return url;
  if (given !== undefined) {
    throw invalid('DATABASE_SCHEMA and ?schema= of DATABASE_URL name different schemas');
  }
  return `${url}${url.includes('?') ? '&' : '?'}schema=${encodeURIComponent(schema)}`;
}

function invalid(message: string): OrderonceError {
  return new OrderonceError('SETTING_INVALID', message);
}
