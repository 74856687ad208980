/** The filters of a page are in its URL, so that a link leads to the same rows. Pure. */

/** The filters with these names that a URL has. */
export function filtersIn(query, names) {
  const given = names.map((name) => [name, query.get(name)]);
  return Object.fromEntries(given.filter(([, value]) => value !== null && value !== ''));
}

/** A URL with changed filters. An empty value removes one; a changed filter ends paging. */
export function withFilters(path, query, changes) {
  const next = new URLSearchParams(query);
  if (!('after' in changes)) next.delete('after');
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === '') next.delete(name);
    else next.set(name, value);
  }
  const text = next.toString();
  return text === '' ? path : `${path}?${text}`;
}

/** `?a=b`, or nothing. */
export function queryText(values) {
  const text = new URLSearchParams(values).toString();
  return text === '' ? '' : `?${text}`;
}

/**
 * Which page a path is of. A pattern ends in `/*` if the rest of the path is its parameter.
 * @param table [pattern, page].
 * @returns null if there is none.
 */
export function matchPath(path, table) {
  const plain = path.replace(/\/+$/, '') || '/';
  for (const [pattern, page] of table) {
    if (pattern === plain) return { page, rest: '' };
    const start = pattern.endsWith('/*') ? pattern.slice(0, -1) : null;
    if (start === null || !plain.startsWith(start)) continue;
    return { page, rest: decoded(plain.slice(start.length)) };
  }
  return null;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
