/** Compares the types of events that the services know with those of this machine. Pure. */
import { type Finding, judgeOf } from './finding.ts';

/** Types with their versions, such as `order.placed@1`, and who knows them. */
export type KnownTypes = {
  readonly who: 'producer' | 'consumer' | 'this machine';
  /** Null where it cannot be known: the service does not answer, or is of an older release. */
  readonly types: readonly string[] | null;
};

const { ok, warn } = judgeOf('services');

/**
 * Producers and consumers must know the same types: a consumer parks events of a type that it does
 * not know, and a producer refuses them.
 * @returns nothing if there is nothing to compare.
 */
export function judgeTypes(known: readonly KnownTypes[]): Finding[] {
  const told = known.filter(({ types }) => types !== null);
  const all = [...new Set(told.flatMap(({ types }) => types ?? []))].sort();
  if (told.length < 2 || all.length === 0) return [];
  const lacking = told.flatMap(({ who, types }) => {
    const missing = all.filter((type) => types?.includes(type) === false);
    return missing.length === 0 ? [] : [{ who, missing }];
  });
  const names = told.map(({ who }) => who).join(', ');
  if (lacking.length === 0) return [ok('event types', `${names} know the same: ${listOf(all)}`)];
  return lacking.map(({ who, missing }) =>
    warn('event types', `${who} does not know ${listOf(missing)}`, REMEDIES[who]),
  );
}

const REMEDIES = {
  producer:
    'Restart the producers with the EVENTS_MODULE of the consumers; until then the API refuses these events (422)',
  consumer:
    'Restart the consumers with the EVENTS_MODULE of the producers; until then these events are parked, and afterwards redriven automatically',
  'this machine': 'Set EVENTS_MODULE to the module that the services use: "verify" needs it',
} as const;

const NAMED_MAX = 10;

function listOf(types: readonly string[]): string {
  const named = types.slice(0, NAMED_MAX).join(', ');
  const left = types.length - NAMED_MAX;
  return left > 0 ? `${named} and ${left} more` : named;
}
