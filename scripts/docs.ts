/**
 * Generates what repeats the code: the pages of settings, commands, error codes, metrics and fields of
 * events, .env.example, the Grafana dashboard, and the diagrams.
 *
 *   docs.ts --write    writes them
 *   docs.ts --check    fails if one differs from the code, if a relative link or picture is broken, or
 *                      if no test runs a command (shell-blocks.ts)
 */
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ERRORS } from '../src/errors.ts';
import { ENVELOPE, type EnvelopeField } from '../src/event/envelope.ts';
import { SETTINGS } from '../src/settings/settings.ts';
import { allMetrics } from './all-metrics.ts';
import { commandsPage } from './commands-page.ts';
import { dashboardText } from './dashboard.ts';
import { diagramFiles } from './diagrams.ts';
import { commandProblems } from './shell-blocks.ts';
import { factsOf, readSources } from './sources.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const RULES = join(root, 'deploy/prometheus/rules.yml');
const MADE =
  'This page is generated from the code by `npm run docs`; `npm run ok` fails if it differs.';

type Setting = { fallback?: string; type: string; help: string; secret?: true };
const settings = Object.entries(SETTINGS) as [string, Setting][];

function envExample(): string {
  const lines = settings.map(([name, { fallback, help }]) =>
    fallback === undefined ? `# ${help}\n#${name}=\n` : `# ${help}\n${name}=${fallback}\n`,
  );
  return `# Copy this file to .env and change what you need. Flags and the environment take precedence.\n\n${lines.join('\n')}\n${COMPOSE}`;
}

/** Settings that only docker-compose.yml reads. */
const COMPOSE = `# ---- For docker-compose only ----

# Kafka 3.9 with ZooKeeper instead of Kafka 4:
#COMPOSE_FILE=docker-compose.yml:docker-compose.zookeeper.yml

# Address of this host on which both services are published. 0.0.0.0 opens them to the network; set
# API_KEYS_FILE first.
PUBLISH_ADDRESS=127.0.0.1

# Change the passwords before you keep real data, although only the containers can reach the
# database. Use letters, digits, - and _. They are read only when the database is created.
POSTGRES_DB=orders
POSTGRES_USER=orderonce
POSTGRES_PASSWORD=change-me-owner
POSTGRES_CONSUMER_PASSWORD=change-me-consumer
POSTGRES_READER_PASSWORD=change-me-reader

# Folder with files for the containers, which see it as /etc/orderonce.
FILES_DIR=./deploy/compose/files

# Ports of Prometheus and Grafana, with --profile observe.
#PROMETHEUS_PORT=9090
#GRAFANA_PORT=3000

# Memory limit of each container, and the heap of Kafka within it.
MEMORY_LIMIT=1g
JVM_HEAP=-Xmx512m -Xms512m
`;

function settingsPage(): string {
  const rows = settings.map(([name, { fallback, type, help, secret }]) => {
    const value = fallback === undefined ? (secret ? '(secret)' : '(unset)') : `\`${fallback}\``;
    return `| \`${name}\` | ${type.replaceAll('|', '\\|')} | ${value} | ${help} |`;
  });
  return `# Settings

${MADE}
Each setting can be given as a flag (\`--producer-port 8010\`), as an environment variable
(\`PRODUCER_PORT=8010\`) or as a line of \`.env\`, in this order of precedence. An empty value means
"not set".

- Values from a fixed list may be written in upper or lower case. Switches also accept true, false,
  yes, no, 1 and 0.
- \`.env\` holds lines of the form \`NAME=value\`, optionally with \`export\` in front. A comment begins
  with \`#\` at the start of a line or after a space. A value in single quotes is read unchanged; in
  double quotes, \`\\n\`, \`\\"\` and \`\\\\\` are escapes. The file is UTF-8, with the line endings of any
  system.
- Any other line in \`.env\` ends the process with a message that gives the line number. So do two
  different values for one name.
- A name that is misspelled, or that other programs use for the same thing (\`KAFKA_BROKERS\`,
  \`DATABASE_URI\`), is reported in the log. It ends the process if the embedded log or database would
  be used instead of what it names. If the name is meant for another program, set the right name to
  an empty value: \`KAFKA_BOOTSTRAP_SERVERS= npm start\`.
- \`KAFKA_BOOTSTRAP_SERVERS\` may contain protocols (\`SASL_SSL://kafka:9093\`). They must agree with
  \`KAFKA_TLS\` and \`KAFKA_SASL_MECHANISM\`.

| setting | values | default | what it does |
|---|---|---|---|
${rows.join('\n')}
`;
}

function errorsPage(): string {
  const rows = Object.entries(ERRORS).map(
    ([code, { kind, help }]) => `| \`${code}\` | ${kind} | ${help} |`,
  );
  return `# Error codes

${MADE}
Error codes appear in logs, in health answers and on the command line. The kind says what the system
does:

- **rejected**: nothing happened; the caller must change something.
- **transient**: the system waits and retries without a limit; nothing is lost.
- **terminal**: the affected part stops and reports it until somebody acts.
- **bug**: the code has broken one of its own promises; the transaction is rolled back.

| code | kind | what it means, and what to do |
|---|---|---|
${rows.join('\n')}
`;
}

async function metricsPage(): Promise<string> {
  const rows = (await allMetrics()).map(
    ({ name, type, help, services }) =>
      `| \`${name}\` | ${services.length === 1 ? services[0] : 'both'} | ${type} | ${help} |`,
  );
  return `# Metrics

${MADE}
\`GET /metrics\` of each service returns its metrics and those of its Node process, in the Prometheus
text format. Labels have bounded values: ids, users and keys are never labels. Counters and
histograms show every known set of labels from the start, with 0. A consumer of six partitions has
about 290 series of ours, a producer about 120.

- **Rules and dashboard** that use these metrics: [deploy/prometheus/rules.yml](../../deploy/prometheus/rules.yml),
  [deploy/grafana/orderonce.json](../../deploy/grafana/orderonce.json); [Alerts](../alerts.md) says what
  to do.
- **Of the whole database**: gauges that say so are told alike by every consumer. Take \`max\` over the
  consumers, not \`sum\`. They are read from PostgreSQL at a scrape, at most every 15 seconds, and are
  absent while PostgreSQL does not answer.
- **Many partitions**: a process with more than 200 partitions shows one series with
  \`partition="all"\` for them: the sum of positions and records, the maximum of seconds and attempts.

| metric | service | type | what it counts |
|---|---|---|---|
${rows.join('\n')}
`;
}

const PRESENCE: Readonly<Record<EnvelopeField['presence'], string>> = {
  always: 'always',
  'by type': 'unless the type has none',
  optional: 'optional',
};

function eventsPage(): string {
  const rows = (ENVELOPE as readonly EnvelopeField[]).map(
    ({ name, presence, property, column, sqlType, example, description }) =>
      `| \`${name}\` | ${PRESENCE[presence]} | \`${JSON.stringify(example)}\` | \`${property}\` | \`${column}\` (${sqlType}) | ${description} |`,
  );
  return `# Fields of an event

${MADE}
An event has these fields and no others, unless [EVENTS_MODULE](../events.md) declares types. Each
is stored in its column of [processed_events](tables.md#processed_events), and handlers get it as
the property.

| field | present | example | property | column | what it is |
|---|---|---|---|---|---|
${rows.join('\n')}

An event of a declared type has three more:

| field | present | property | stored in | what it is |
|---|---|---|---|---|
| \`type\` | always | \`type\` | \`event_data.event_type\` | the name of the type |
| \`version\` | optional; the newest if absent | \`version\` | \`event_data.event_version\` | the version of the type, from 1 |
| \`data\` | if the type has data | \`data\` | \`event_data.data\` | an object of the declared shape |
`;
}

const LINK = /\]\(([^)#:\s]+)(?:#[^)]*)?\)|\bsrc(?:set)?="([^":]+)"/g;

function brokenLinks(): string[] {
  return globSync(['*.md', 'docs/**/*.md', 'bench/*.md', 'dev/**/*.md', 'examples/*/*.md'], {
    cwd: root,
  }).flatMap((page) =>
    [...readFileSync(join(root, page), 'utf8').matchAll(LINK)]
      .map(([, target, picture = '']) => target ?? picture)
      .filter((target) => !existsSync(join(root, dirname(page), target)))
      .map((target) => `${page} links to ${target}, which does not exist`),
  );
}

const pages: Record<string, string> = {
  '.env.example': envExample(),
  'docs/reference/settings.md': settingsPage(),
  'docs/reference/commands.md': commandsPage(MADE),
  'docs/reference/errors.md': errorsPage(),
  'docs/reference/metrics.md': await metricsPage(),
  'deploy/grafana/orderonce.json': dashboardText(),
  // A chart can read only what is in its own folder.
  'deploy/helm/orderonce/files/orderonce.json': dashboardText(),
  'deploy/helm/orderonce/files/rules.yml': readFileSync(RULES, 'utf8'),
  'docs/reference/events.md': eventsPage(),
  ...diagramFiles(factsOf(readSources(root))),
};

if (process.argv.includes('--write')) {
  for (const folder of ['docs/diagrams', 'deploy/helm/orderonce/files']) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  for (const [file, text] of Object.entries(pages)) writeFileSync(join(root, file), text);
} else {
  const stale = Object.entries(pages)
    .filter(
      ([file, text]) =>
        !existsSync(join(root, file)) || readFileSync(join(root, file), 'utf8') !== text,
    )
    .map(([file]) => `${file} differs from the code: run "npm run docs"`);
  const problems = [...stale, ...brokenLinks(), ...commandProblems(root)];
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
