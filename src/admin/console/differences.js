/** What differs between two values, by path. Pure. */
import { HIDDEN } from './format.js';

const LINES_MAX = 50;

function isTree(value) {
  return typeof value === 'object' && value !== null;
}

/**
 * Compares two JSON values; objects and arrays are compared part by part.
 * @returns { path, first, other }; undefined stands for a part that one of them lacks.
 */
export function differences(first, other, path = '') {
  if (isTree(first) && isTree(other) && Array.isArray(first) === Array.isArray(other)) {
    const keys = [...new Set([...Object.keys(first), ...Object.keys(other)])];
    const join = (key) => (path === '' ? key : `${path}.${key}`);
    const own = (value, key) => (Object.hasOwn(value, key) ? value[key] : undefined);
    return keys
      .flatMap((key) => differences(own(first, key), own(other, key), join(key)))
      .slice(0, LINES_MAX);
  }
  if (JSON.stringify(first) === JSON.stringify(other)) return [];
  return [{ path, first, other }];
}

function fieldsOf(differs) {
  if (differs === null) return HIDDEN;
  const names = differs.map(({ field }) => field).sort();
  return names.join(', ') || 'only the spelling';
}

/** Counts conflicts by source and the fields that differ, the most frequent first. */
export function groupConflicts(items) {
  const groups = new Map();
  for (const { source, differs, seen_at: seen } of items) {
    const fields = fieldsOf(differs);
    const key = JSON.stringify([source, fields]);
    const group = groups.get(key) ?? { source, fields, count: 0, newest: seen };
    group.count += 1;
    if (seen > group.newest) group.newest = seen;
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => b.count - a.count);
}
