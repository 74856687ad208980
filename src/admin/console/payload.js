/** Payloads as fields, with errors beside the field that they are about. */
import { el } from './dom.js';
import { clip, valueText } from './format.js';

const CHARS_SHOWN = 500;

/**
 * The fields of a JSON object by path, and the errors that belong to each. Pure.
 * @param errors as in a 422 answer.
 * @returns null if the text is no JSON object.
 */
export function fieldsOf(text, errors) {
  const value = parsed(text);
  if (value === null) return null;
  const fields = flatten(value, '');
  const left = errors.map(({ loc = [], msg }) => [
    loc.filter((part) => part !== 'body').join('.'),
    msg,
  ]);
  const known = new Set(fields.map(([path]) => path));
  const missing = left.filter(([path]) => !known.has(path)).map(([path]) => [path, undefined]);
  const all = [...fields, ...new Map(missing)];
  return all.map(([path, shown]) => {
    const own = left.filter(([of]) => of === path).map(([, msg]) => msg);
    return { path, value: shown, errors: own };
  });
}

/** @returns null if it is no JSON object. Numbers keep the digits that they are written with. */
function parsed(text) {
  try {
    const keep = (_key, value, context) =>
      typeof value === 'number' && context?.source !== undefined
        ? new Digits(context.source)
        : value;
    const value = JSON.parse(text, keep);
    const isObject = typeof value === 'object' && value !== null && !(value instanceof Digits);
    return isObject && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

class Digits {
  constructor(source) {
    this.source = source;
  }
}

const FIELDS_MAX = 200;

/** [path, value] of each value that is no object. Pure. */
export function flatten(value, path) {
  const isTree = typeof value === 'object' && value !== null && !(value instanceof Digits);
  const entries = isTree ? Object.entries(value) : [];
  if (entries.length === 0) return [[path, value instanceof Digits ? value.source : value]];
  const join = (key) => (path === '' ? key : `${path}.${key}`);
  return entries.flatMap(([key, part]) => flatten(part, join(key))).slice(0, FIELDS_MAX);
}

/** The fields as a table. */
export function fieldTable(fields) {
  const rows = fields.map(({ path, value, errors }) =>
    el(
      'tr',
      { className: errors.length > 0 ? 'wrong' : '' },
      el('th', { scope: 'row' }, clip(path, 200) || 'the whole'),
      el(
        'td',
        { className: 'id' },
        el('bdi', {}, value === undefined ? 'missing' : clip(valueText(value), CHARS_SHOWN)),
      ),
      el('td', { className: 'bad' }, errors.length === 0 ? '' : `✖ ${errors.join('; ')}`),
    ),
  );
  return el(
    'div',
    { className: 'scroll', role: 'region', 'aria-label': 'Fields', tabIndex: 0 },
    el('table', { className: 'fields' }, el('tbody', {}, ...rows)),
  );
}
