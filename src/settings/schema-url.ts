/** Reads and writes the name of the schema in a database URL (`?schema=`). */
import { OrderonceError } from '../errors.ts';

/** PostgreSQL silently truncates longer names (manual, section 4.1.1). */
const NAME_BYTES_MAX = 63;

/** Whether PostgreSQL accepts the name for a schema and does not reserve it. */
export function isSchemaName(name: string): boolean {
  const isReserved = /^pg_/i.test(name) || name === 'information_schema';
  const bytes = Buffer.byteLength(name);
  return bytes > 0 && bytes <= NAME_BYTES_MAX && !name.includes('\0') && !isReserved;
}

/**
 * Parameters with which other drivers set a schema or search_path. Here they would have no effect.
 */
const FOREIGN_PARAMETERS = ['currentSchema', 'search_path'];

/**
 * Removes `schema=` from the query of a URL, and returns both.
 * @throws SETTING_INVALID if the name is not valid, or if the URL has a parameter of another driver
 * for it.
 */
export function splitSchema(url: string): { readonly url: string; readonly schema?: string } {
  const [base = '', query] = url.split(/\?(.*)/s, 2);
  if (query === undefined) return { url };
  const parts = query.split('&');
  const foreign = FOREIGN_PARAMETERS.find((name) => new URLSearchParams(query).has(name));
  if (foreign !== undefined) {
    const way = 'set DATABASE_SCHEMA (or ?schema=) to the schema of the tables';
    const ofHandlers = `for the search_path of handlers use ?options=-c%20search_path%3DNAME`;
    throw invalid(`DATABASE_URL must not have ?${foreign}=: ${way}; ${ofHandlers}`);
  }
  const schema = new URLSearchParams(query).get('schema');
  if (schema === null) return { url };
  if (!isSchemaName(schema)) throw invalid(`?schema= of DATABASE_URL must be the name of a schema`);
  const rest = parts.filter((part) => !part.startsWith('schema=')).join('&');
  return { url: rest === '' ? base : `${base}?${rest}`, schema };
}

/**
 * The URL with `?schema=` added.
 * @throws SETTING_INVALID if the URL already has another schema.
 */
export function joinSchema(url: string, schema: string | undefined): string {
  const given = splitSchema(url).schema;
  if (schema === undefined || schema === given) return url;
  if (given !== undefined) {
    throw invalid(
      'DATABASE_SCHEMA and ?schema= of DATABASE_URL name different schemas: remove one of them',
    );
  }
  return `${url}${url.includes('?') ? '&' : '?'}schema=${encodeURIComponent(schema)}`;
}

function invalid(message: string): OrderonceError {
  return new OrderonceError('SETTING_INVALID', message);
}
