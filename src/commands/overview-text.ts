/** The overview as text: for `orderonce status` and each picture of `orderonce top`. Pure. */
import type { Overview } from '../admin/overview-feed.ts';
import { type Output, plain, type Style } from './output.ts';

const SIGNS = { act: '✖', look: '!', fine: '✔' } as const;
const STYLES = { act: 'red', look: 'yellow', fine: 'green' } as const satisfies Record<
  string,
  Style
>;
const VERDICTS = {
  act: 'Somebody must act now.',
  look: 'Somebody should look, within a day.',
  fine: 'Nothing needs you.',
} as const;

type Paint = Pick<Output, 'paint'>;

/** All of it, several lines. @param nowMs the time for "since when" */
export function overviewText(overview: Overview, out: Paint, nowMs: number): string {
  const { verdict, needs, partitions, as_of } = overview;
  const head = out.paint(STYLES[verdict], `${SIGNS[verdict]} ${VERDICTS[verdict]}`);
  const causes = needs.flatMap(({ severity, title, detail, since, next, command }) => [
    out.paint(STYLES[severity], `${SIGNS[severity]} ${plain(title)}`) + sinceText(since, nowMs),
    ...(detail === null ? [] : [`    ${plain(detail)}`]),
    `    → ${plain(next)}`,
    ...(command === null ? [] : [`      ${plain(command)}`]),
  ]);
  const states = Map.groupBy(partitions, ({ state }) => state);
  const byState = [...states].map(([state, all]) => `${all.length} ${state}`).join(', ');
  return [
    // A consumer that has not read anything yet has no time of it.
    Date.parse(as_of) === 0 ? `${head}  (nothing was read yet)` : `${head}  (as of ${as_of})`,
    ...causes,
    '',
    ...numbersOf(overview).map(([name, value]) => `${name.padEnd(13)}  ${value}`),
    `${'partitions'.padEnd(13)}  ${byState || 'none are known'}`,
  ].join('\n');
}

/** One line: for a log, where `top` has no terminal. */
export function overviewLine(overview: Overview): string {
  const { as_of, verdict, needs } = overview;
  const numbers = numbersOf(overview).map(([name, value]) => `${name}: ${value}`);
  const first = needs[0] === undefined ? [] : [plain(needs[0].title)];
  return [as_of, verdict, ...numbers, ...first].join('  ');
}

function numbersOf(overview: Overview): [name: string, value: string][] {
  const { rates, lag, dead_letters, held_orders, outbox, processes, proof } = overview;
  const arrived = rates.arrived_per_second;
  const stateOf = (wanted: string) =>
    dead_letters.filter(({ state }) => state === wanted).reduce((sum, { count }) => sum + count, 0);
  const stillFor = lag.still_seconds === null ? '' : `, still for ${lag.still_seconds} s`;
  return [
    ['arrived', arrived === null ? 'measured while somebody looks' : `${numberText(arrived)}/s`],
    ['processed', `${numberText(rates.processed_per_second)}/s`],
    ['to process', lag.records === null ? 'unknown' : `${numberText(lag.records)}${stillFor}`],
    [
      'dead letters',
      `${numberText(stateOf('parked'))} parked, ${numberText(stateOf('waiting'))} waiting, in ${held_orders.text} orders`,
    ],
    ['outbox', `${numberText(outbox.pending)} to publish`],
    ['consumers', `${processes.running} run, ${processes.missing} missing`],
    ['proof', proofText(proof)],
  ];
}

function proofText(proof: Overview['proof']): string {
  if (proof === null) return 'off in this consumer (PROOF=off)';
  const { head_age_seconds: age, findings } = proof;
  const found = findings === 0 ? 'nothing found' : `${numberText(findings)} contradictions`;
  return age === null ? `nothing proven yet, ${found}` : `${found}, ${durationText(age)} old`;
}

function numberText(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 1 });
}

function sinceText(since: string | null, nowMs: number): string {
  if (since === null) return '';
  return `  ${durationText(Math.max(0, nowMs - Date.parse(since)) / 1000)}`;
}

/** `45 s`, `4 min`, `3 h`, `2 d`. */
export function durationText(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}
