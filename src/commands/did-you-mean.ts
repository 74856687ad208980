/** Finds what a misspelled word was probably meant to be. Pure. */
import { EDITS_MAX, editsBetween } from '../settings/edits.ts';

/** Of short words, more edits would make them similar to everything. */
const SHORT_CHARS = 4;

/** The known word that is most like this one; null if none is like it. */
export function nearestOf(word: string, known: readonly string[]): string | null {
  const wanted = word.toLowerCase();
  const editsMax = wanted.length <= SHORT_CHARS ? 1 : EDITS_MAX;
  const ranked = known
    .map((name) => ({ name, edits: editsBetween(wanted, name.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits);
  const [best] = ranked;
  if (best !== undefined && best.edits <= editsMax) return best.name;
  const begun = known.filter((name) => wanted.length >= 3 && name.startsWith(wanted));
  return begun.length === 1 ? (begun[0] ?? null) : null;
}

/** ` Did you mean "NAME"?`, to follow a sentence; empty if nothing is similar. */
export function didYouMean(word: string, known: readonly string[]): string {
  const nearest = nearestOf(word, known);
  return nearest === null ? '' : `. Did you mean "${nearest}"?`;
}
