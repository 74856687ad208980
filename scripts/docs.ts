/**
 * Pages and diagrams that are made from the code, so that they cannot say anything else:
 *
 *   docs.ts --write    writes them          docs.ts --check    fails where one differs
 *
 * --check also looks for relative links and pictures that lead nowhere.
 */
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Registry } from 'prom-client';
import { addConsumerMetrics } from '../src/consume/consumer-metrics.ts';
import { ERRORS } from '../src/errors.ts';
import { addIngestMetrics } from '../src/ingest/ingest-metrics.ts';
import { addOutboxMetrics } from '../src/outbox/outbox-metrics.ts';
import { SETTINGS } from '../src/settings/settings.ts';
import { diagramFiles } from './diagrams.ts';
import { factsOf, readSources } from './sources.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const MADE = 'Made from the code by `npm run docs`; `npm run ok` fails where it differs.';

type Setting = { fallback?: string; type: string; help: string; secret?: true };
const settings = Object.entries(SETTINGS) as [string, Setting][];

function envExample(): string {
  const lines = settings.map(([name, { fallback, help }]) =>
    fallback === undefined ? `# ${help}\n#${name}=\n` : `# ${help}\n${name}=${fallback}\n`,
  );
  return `# Copy to .env and change what you need. Flags and the environment go before this file.\n\n${lines.join('\n')}\n${COMPOSE}`;
}

/** Read by docker-compose.yml alone. */
const COMPOSE = `# ---- docker-compose only: what the containers beside ours need ----

# Kafka 3.9 with ZooKeeper instead of Kafka 4:
#COMPOSE_FILE=docker-compose.yml:docker-compose.zookeeper.yml

# Address of this host that both services are published on. 0.0.0.0 opens them to the network: set
# API_KEYS_FILE before.
PUBLISH_ADDRESS=127.0.0.1

# The database is reachable from our containers only. Still: other passwords for anything that
# lasts, of letters, digits, - and _. They are taken when the database is made, and not again.
POSTGRES_DB=orders
POSTGRES_USER=orderonce
POSTGRES_PASSWORD=change-me-owner
POSTGRES_CONSUMER_PASSWORD=change-me-consumer
POSTGRES_READER_PASSWORD=change-me-reader

# Folder with files for the containers, found there under /etc/orderonce.
FILES_DIR=./deploy/compose/files

# Memory of each container, and of Kafka's heap within it.
MEMORY_LIMIT=1g
JVM_HEAP=-Xmx512m -Xms512m
`;

function settingsPage(): string {
  const rows = settings.map(([name, { fallback, type, help, secret }]) => {
    const value = fallback === undefined ? (secret ? '(secret)' : '(unset)') : `\`${fallback}\``;
    return `| \`${name}\` | ${type.replaceAll('|', '\\|')} | ${value} | ${help} |`;
  });
  return `# Settings

${MADE} Each setting can be given as a flag (\`--producer-port 8010\`), as an environment variable
(\`PRODUCER_PORT=8010\`) or as a line of \`.env\`, in this order of precedence. An empty value means "not set".

- Upper and lower case make no difference where the values are listed. Switches also take true, false, yes, no, 1 and 0.
- \`.env\` holds lines \`NAME=value\`, with \`export\` in front if you like. A comment begins with \`#\` at the start or after a space. Single quotes keep a value as it is; double quotes
  know \`\\n\`, \`\\"\` and \`\\\\\`. Any other line ends the process with its number, as do two different values for one name. The file is UTF-8, with line ends of any system.
- A name that is nearly one of these, or that others use for the same (\`KAFKA_BROKERS\`, \`DATABASE_URI\`), is told of in the log. It ends the process where the embedded log or
  database would be used in its place. If it is meant for another program, set the right name to nothing: \`KAFKA_BOOTSTRAP_SERVERS= npm start\`.
- \`KAFKA_BOOTSTRAP_SERVERS\` may be copied with its protocols (\`SASL_SSL://kafka:9093\`); they must be what \`KAFKA_TLS\` and \`KAFKA_SASL_MECHANISM\` say.

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

${MADE} They stand in logs, on health pages and on the command line. The kind says what the system
does: **rejected**, the caller must change something; **transient**, it waits and tries again for ever, and nothing is lost;
**terminal**, the part stops loudly until somebody acts; **bug**, a broken promise of our own code: the transaction is rolled back.

| code | kind | what it means, and what to do |
|---|---|---|
${rows.join('\n')}
`;
}

async function metricsPage(): Promise<string> {
  const registry = new Registry();
  addIngestMetrics(registry, () => 0);
  addConsumerMetrics(registry, { partitions: () => [], ends: async () => new Map() });
  addOutboxMetrics(registry, () => Promise.reject());
  const rows = (await registry.getMetricsAsJSON()).map(
    ({ name, type, help }) => `| \`${name}\` | ${type} | ${help} |`,
  );
  return `# Metrics

${MADE} \`GET /metrics\` of each service gives its own, in the Prometheus text format, besides those of the
Node process.

| metric | type | what it counts |
|---|---|---|
${rows.join('\n')}
`;
}

const LINK = /\]\(([^)#:\s]+)(?:#[^)]*)?\)|\bsrc(?:set)?="([^":]+)"/g;

function brokenLinks(): string[] {
  return globSync(['*.md', 'docs/**/*.md', 'bench/*.md', 'dev/**/*.md'], { cwd: root }).flatMap(
    (page) =>
      [...readFileSync(join(root, page), 'utf8').matchAll(LINK)]
        .map(([, target, picture = '']) => target ?? picture)
        .filter((target) => !existsSync(join(root, dirname(page), target)))
        .map((target) => `${page} links to ${target}, which is not there`),
  );
}

const pages: Record<string, string> = {
  '.env.example': envExample(),
  'docs/reference/settings.md': settingsPage(),
  'docs/reference/errors.md': errorsPage(),
  'docs/reference/metrics.md': await metricsPage(),
  ...diagramFiles(factsOf(readSources(root))),
};

if (process.argv.includes('--write')) {
  mkdirSync(join(root, 'docs/diagrams'), { recursive: true });
  for (const [file, text] of Object.entries(pages)) writeFileSync(join(root, file), text);
} else {
  const stale = Object.entries(pages)
    .filter(
      ([file, text]) =>
        !existsSync(join(root, file)) || readFileSync(join(root, file), 'utf8') !== text,
    )
    .map(([file]) => `${file} differs from the code: run "npm run docs"`);
  const problems = [...stale, ...brokenLinks()];
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
