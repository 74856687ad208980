/** The gaps in a history. Pure. */

const LONG_MS = 60_000;

/** Each entry with the time since the one before it, if both times are known. */
export function gapsOf(entries) {
  let before = null;
  return entries.map((entry) => {
    const at = entry.at === null ? null : Date.parse(entry.at);
    const gapMs = at === null || before === null ? null : at - before;
    before = at ?? before;
    return { entry, gapMs, isLong: gapMs !== null && gapMs >= LONG_MS };
  });
}
