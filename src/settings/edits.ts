/** Texts that differ by more edits are not similar. */
export const EDITS_MAX = 2;

/**
 * Damerau–Levenshtein distance: letters to insert, remove, replace or swap with the next one. If the
 * lengths alone differ by more than EDITS_MAX, it is EDITS_MAX + 1.
 */
export function editsBetween(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > EDITS_MAX) return EDITS_MAX + 1;
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number) => rows[i]?.[j] ?? Number.POSITIVE_INFINITY;
  for (let i = 1; i <= a.length; i++) {
    rows.push([i]);
    for (let j = 1; j <= b.length; j++) {
      const isSwap = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const edits = [
        at(i - 1, j) + 1,
        at(i, j - 1) + 1,
        at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1),
        ...(isSwap ? [at(i - 2, j - 2) + 1] : []),
      ];
      rows[i]?.push(Math.min(...edits));
    }
  }
  return at(a.length, b.length);
}
