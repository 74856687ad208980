/** The alert rules with times that a demonstration can wait for: seconds instead of minutes and hours. */

/** What is replaced, in this order. Everything else stays as in deploy/prometheus/rules.yml. */
export const SHORTENED: readonly (readonly [what: RegExp, by: string, words: string])[] = [
  [/\bfor: \d+m\b/g, 'for: 2s', 'for: 1m to 30m → 2s'],
  [/\[5m\]/g, '[10s]', '[5m] → [10s]'],
  [/(rebalances_total)\[15m\]/g, '$1[60s]', 'rebalances: [15m] → [60s]'],
  [/\[15m\]/g, '[20s]', '[15m] → [20s]'],
  [/\[(?:30m|1h)\]/g, '[25s]', '[30m], [1h] → [25s]'],
  [/(lag_seconds\)) > 300\b/g, '$1 > 4', 'lag_seconds > 300 → 4'],
  [/(scope="head"\}\)) > 900\b/g, '$1 > 10', 'proof_age_seconds{scope="head"} > 900 → 10'],
  [/> 86400\b/g, '> 4', 'dead_letter_oldest_seconds > 86400 → 4'],
  [/> 120\b/g, '> 4', 'outbox_oldest_seconds > 120 → 4'],
];

/** @throws if a replacement finds nothing: the rules have changed, and this list must follow. */
export function shortRules(rules: string): string {
  return SHORTENED.reduce((text, [what, by, words]) => {
    const short = text.replace(what, by);
    if (short === text) throw new Error(`The rules have nothing to shorten: ${words}`);
    return short;
  }, rules);
}
