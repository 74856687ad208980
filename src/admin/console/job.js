/** How a redrive job is shown. */
import { el } from './dom.js';
import { clip, many } from './format.js';

/** Which dead letters a job is about. */
export function choiceText({ filter, places }) {
  if (filter === null) return many(places ?? 0, 'place');
  const entries = Object.entries(filter);
  if (entries.length === 0) return 'all parked ones';
  return entries.map(([name, value]) => `${name}: ${clip(value, 80)}`).join(', ');
}

/** The share that has been tried, as a bar. */
export function progress({ redrive_id: id, tried, total }) {
  return el('progress', {
    value: tried,
    max: Math.max(1, total),
    'aria-label': `Progress of job ${id}`,
  });
}
