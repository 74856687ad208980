/** What this tab has seen in the last minutes, for small lines and trends. */

import { nameOf } from './partition-table.js';

const KEPT_MS = 10 * 60_000;
const TREND_MS = 60_000;

/** How a number changes. Pure. @param samples { at, value }, the oldest first. */
export function trendOf(samples, nowMs) {
  const recent = samples.filter(({ at, value }) => nowMs - at <= TREND_MS && value !== null);
  if (recent.length < 2) return '';
  const by = recent.at(-1).value - recent[0].value;
  const margin = Math.max(1, recent[0].value * 0.05);
  return by > margin ? 'rising' : by < -margin ? 'falling' : 'steady';
}

export class History {
  #samples = new Map();

  /** Notes an overview. */
  note({ as_of: asOf, rates, lag, partitions }) {
    const at = Date.parse(asOf);
    this.#add('arrived', at, rates.arrived_per_second);
    this.#add('processed', at, rates.processed_per_second);
    this.#add('lag', at, lag.records);
    for (const one of partitions) this.#add(`lag ${nameOf(one)}`, at, one.lag);
  }

  #add(name, at, value) {
    const samples = this.#samples.get(name) ?? [];
    if (samples.at(-1)?.at === at) return;
    samples.push({ at, value });
    this.#samples.set(
      name,
      samples.filter((one) => at - one.at <= KEPT_MS),
    );
  }

  values(name) {
    return (this.#samples.get(name) ?? []).map(({ value }) => value ?? 0);
  }

  trend(name) {
    const samples = this.#samples.get(name) ?? [];
    return trendOf(samples, samples.at(-1)?.at ?? 0);
  }
}
