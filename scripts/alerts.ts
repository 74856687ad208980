/**
 * Shows that the alerts fire and clear: brings each trouble about on a deployment of its own, and
 * reads /api/v1/alerts of a real Prometheus. The rules are the real ones with shorter times.
 *
 *   npm run alerts              all troubles; takes about 7 minutes
 *   npm run alerts -- outbox    those whose description contains the word
 *
 * Needs `prometheus` and `openssl`. TEST_DATABASE_URL: uses that PostgreSQL instead of its own. Fails if an alert does not fire or does not clear.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { canRunBroker } from '../dev/kafka/broker.ts';
import { reasonOf } from '../src/errors.ts';
import { Deployment, events } from './alerts/deployment.ts';
import { SHORTENED, shortRules } from './alerts/short-rules.ts';
import { GROUP_TROUBLES, TROUBLES, type Trouble } from './alerts/troubles.ts';

const RULES = readFileSync(new URL('../deploy/prometheus/rules.yml', import.meta.url), 'utf8');
/** The watch for unattended partitions looks every 30 s, and needs two looks. */
const FIRES_MS = 150_000;
const CLEARS_MS = 120_000;
const LOOK_MS = 500;

type Shown = { fired?: number; cleared?: number; summary?: string };

const words = process.argv.slice(2);
const isChosen = ({ what }: Trouble) =>
  words.length === 0 || words.some((word) => what.includes(word));
const deployment = new Deployment();
const lines: string[][] = [];
let failures = 0;
console.log('Times of the rules, shortened:');
for (const [, , replaced] of SHORTENED) console.log(`  ${replaced}`);
await showAll('embedded', TROUBLES.filter(isChosen));
if (canRunBroker()) await showAll('kafka', GROUP_TROUBLES.filter(isChosen));
else console.log('Troubles of consumer groups are left out: they need Java 17 and Maven');
print();
process.exit(failures === 0 ? 0 : 1);

async function showAll(log: 'embedded' | 'kafka', troubles: readonly Trouble[]): Promise<void> {
  if (troubles.length === 0) return;
  try {
    await deployment.start(shortRules(RULES), log);
    await deployment.send(events(50));
    for (const trouble of troubles) {
      await show(trouble).catch((error: unknown) => {
        failures++;
        console.log(`${trouble.what}: ${reasonOf(error)}`);
      });
    }
  } finally {
    await deployment.stop();
  }
}

async function show(trouble: Trouble): Promise<void> {
  const { what, alerts, alertsAtEnd = [], begin, meanwhile, end } = trouble;
  const names = [...alerts, ...alertsAtEnd];
  const shown = new Map<string, Shown>(names.map((name) => [name, {}]));
  const started = performance.now();
  await begin(deployment);
  let isEnded = false;
  let endedAt = 0;
  const giveUpAt = () => (isEnded ? endedAt + CLEARS_MS : started + FIRES_MS);
  while (performance.now() < giveUpAt()) {
    if (!isEnded) await meanwhile?.(deployment);
    // A few events keep rates defined after the end.
    else await deployment.send(events(2));
    await look(shown, started);
    const all = [...shown.values()];
    if (!isEnded && alerts.every((name) => shown.get(name)?.fired !== undefined)) {
      await end(deployment);
      isEnded = true;
      endedAt = performance.now();
    }
    if (all.every(({ cleared }) => cleared !== undefined)) break;
    await pause(LOOK_MS);
  }
  if (!isEnded) await end(deployment);
  for (const [name, { fired, cleared, summary = '' }] of shown) {
    const seconds = (ms: number | undefined, from: number) =>
      ms === undefined ? 'NO' : `${((ms - from) / 1000).toFixed(0)} s`;
    if (fired === undefined || cleared === undefined) failures++;
    const line = [name, seconds(fired, started), seconds(cleared, endedAt), what, summary];
    lines.push(line);
    console.log(line.join(' | '));
  }
}

/** Notes when an alert was first seen firing, and since when it has been gone after that. */
async function look(shown: Map<string, Shown>, started: number): Promise<void> {
  const active = await deployment.prometheus.alerts();
  const now = performance.now();
  for (const [name, state] of shown) {
    const firing = active.find(
      ({ labels, state: is }) => labels.alertname === `Orderonce${name}` && is === 'firing',
    );
    if (firing !== undefined) {
      state.fired ??= Math.max(now, started);
      state.summary = firing.annotations.summary ?? '';
      delete state.cleared;
    } else if (state.fired !== undefined) state.cleared ??= now;
  }
}

function print(): void {
  console.log('\n| alert | fired after | cleared after the end | trouble | summary |');
  console.log('|---|---|---|---|---|');
  for (const line of lines) console.log(`| ${line.join(' | ')} |`);
}
