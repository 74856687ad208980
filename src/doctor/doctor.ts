/** Checks a running deployment: one finding for each condition that the guarantees depend on. */

import { statfs } from 'node:fs/promises';
import { ERRORS, OrderonceError, reasonOf } from '../errors.ts';
import { knownTypesOf } from '../event/declared-events.ts';
import { identityOf, nameOf } from '../handlers/handlers-identity.ts';
import type { LogReader } from '../log/event-log.ts';
import { readSlice } from '../log/read-slice.ts';
import type { KafkaOptions } from '../log-kafka/connection.ts';
import { isHeldUp, reportPositions } from '../positions/report.ts';
import { askHealth } from '../runtime/ask-health.ts';
import { baseUrlOf, consumerPlace, producerPlace } from '../runtime/port.ts';
import { eventModelOf } from '../services/event-model.ts';
import { handlerSetOf } from '../services/handler-set.ts';
import { kafkaOptions, openForeignReaders, openReader } from '../services/open-log.ts';
import type { Settings } from '../settings/settings.ts';
import { assertMigrated } from '../store/assert-migrated.ts';
import { readDatabaseFacts } from '../store/database-facts.ts';
import { readDeployedHandlers } from '../store/deployment-handlers.ts';
import type { Pool } from '../store/pool.ts';
import { type Finding, judgeOf } from './finding.ts';
import { judgeDatabase } from './judge-database.ts';
import { judgeKafka, judgeRetention, type OldestRecord } from './judge-kafka.ts';
import { judgeTypes, type KnownTypes } from './judge-types.ts';
import type { KafkaFacts } from './kafka-facts.ts';

const CLOSE_MS = 1000;
const HEALTH_MS = 3000;
const MIGRATE = 'Run "orderonce migrate"';
const FREE_WARN_BYTES = 2 ** 30;
const FREE_FAIL_BYTES = 100 * 2 ** 20;

/**
 * Runs all checks. If a check cannot be made, for example because a server does not answer, that
 * is a finding too.
 * @param pool null on a machine without database settings, such as one that runs only producers.
 * @throws SETTING_INVALID if the Kafka settings contradict each other.
 */
export async function examine(settings: Settings, pool: Pool | null): Promise<Finding[]> {
  const reader = await openReader(settings, () => pool as Pool);
  try {
    return [
      ...(await examineDatabase(settings, pool)),
      ...(await examineLog(settings, reader, pool)),
      ...(await examineForeignTopics(settings, pool)),
      ...(await examineServices(settings)),
      ...(await examineHandlers(settings, pool)),
      ...(await examineMachine(settings, pool)),
    ];
  } finally {
    await reader.close(CLOSE_MS);
  }
}

async function examineDatabase(settings: Settings, pool: Pool | null): Promise<Finding[]> {
  const { ok, warn, fail } = judgeOf('postgresql');
  if (pool === null) {
    const remedy = 'Set DATABASE_URL, unless only producers run on this machine';
    return [warn('reachable', 'DATABASE_URL is not set', remedy)];
  }
  const use = {
    hasEmbeddedLog: settings.KAFKA_BOOTSTRAP_SERVERS === undefined,
    keepsOrders: settings.ORDERS_PROJECTION === 'on',
  };
  try {
    const found = judgeDatabase(await readDatabaseFacts(pool, use));
    return [ok('reachable', 'answers'), await examineTables(settings, pool), ...found];
  } catch (error) {
    return [fail('reachable', reasonOf(error), 'Start PostgreSQL, or correct DATABASE_URL')];
  }
}

async function examineTables(settings: Settings, pool: Pool): Promise<Finding> {
  const { ok, fail } = judgeOf('postgresql');
  try {
    const { rules, projection } = await eventModelOf(settings);
    await assertMigrated(pool, {
      projection,
      declared: rules.declared,
      handlerMigrations: settings.HANDLERS_MIGRATIONS,
    });
    return ok('tables', 'match this release');
  } catch (error) {
    const isOther = error instanceof OrderonceError && error.code !== 'NOT_MIGRATED';
    return fail('tables', reasonOf(error), isOther ? ERRORS[error.code].help : MIGRATE);
  }
}

async function examineLog(
  settings: Settings,
  reader: LogReader,
  pool: Pool | null,
): Promise<Finding[]> {
  const { ok, warn, fail } = judgeOf('kafka');
  const kafka = kafkaOptions(settings, 'doctor');
  const positions = async () => (pool === null ? [] : await examinePositions(reader, pool));
  if (kafka === null) {
    const remedy =
      'This is enough for development and a single machine. For more, set KAFKA_BOOTSTRAP_SERVERS';
    return [warn('log', 'embedded, in PostgreSQL', remedy), ...(await positions())];
  }
  try {
    const facts = await factsOf(kafka);
    const oldest = pool === null ? 'unknown' : await ageOfOldest(reader, pool);
    return [
      ok('reachable', `${kafka.bootstrapServers} answers, topic ${kafka.topic} exists`),
      ...judgeKafka(facts, oldest, settings.EVENT_BYTES_MAX),
      ...(await positions()),
    ];
  } catch (error) {
    const isMissing = error instanceof OrderonceError && error.code === 'NOT_MIGRATED';
    const remedy = isMissing
      ? MIGRATE
      : 'Start Kafka, or correct KAFKA_BOOTSTRAP_SERVERS, KAFKA_TLS and KAFKA_SASL_*';
    return [fail('reachable', reasonOf(error), remedy)];
  }
}

/** The client of Kafka is loaded only where Kafka is used. */
async function factsOf(kafka: KafkaOptions): Promise<KafkaFacts> {
  const { readKafkaFacts } = await import('./kafka-facts.ts');
  return await readKafkaFacts(kafka);
}

/** The topics of KAFKA_TOPICS. Their owners decide about replicas and their settings. */
async function examineForeignTopics(settings: Settings, pool: Pool | null): Promise<Finding[]> {
  const readers = await openForeignReaders(settings);
  try {
    const found = await Promise.all(
      readers.map(async (reader) => {
        const findings = await examineForeignTopic(settings, reader, pool);
        const of = `topic ${reader.topic}: `;
        return findings.map((finding) => ({ ...finding, found: `${of}${finding.found}` }));
      }),
    );
    return found.flat();
  } finally {
    await Promise.all(readers.map((reader) => reader.close(CLOSE_MS)));
  }
}

async function examineForeignTopic(
  settings: Settings,
  reader: LogReader,
  pool: Pool | null,
): Promise<Finding[]> {
  const { ok, fail } = judgeOf('kafka');
  const kafka = kafkaOptions(settings, 'doctor');
  if (kafka === null) return [];
  try {
    const facts = await factsOf({ ...kafka, topic: reader.topic });
    const oldest = pool === null ? 'unknown' : await ageOfOldest(reader, pool);
    return [
      ok('reachable', `${facts.partitions} partitions`),
      judgeRetention(facts, oldest),
      ...(pool === null ? [] : await examinePositions(reader, pool)),
    ];
  } catch (error) {
    const remedy = 'Its owner creates the topic: correct KAFKA_TOPICS, or ask for it';
    return [fail('reachable', reasonOf(error), remedy)];
  }
}

async function examinePositions(reader: LogReader, pool: Pool): Promise<Finding[]> {
  const { ok, warn, fail } = judgeOf('kafka');
  try {
    const reports = await reportPositions(reader, pool);
    const lag = reports.reduce((sum, report) => sum + (report.lag ?? 0), 0);
    const held = reports.filter(isHeldUp);
    if (held.length === 0) {
      return [ok('positions', `${reports.length} partitions, ${lag} records to process`)];
    }
    const remedy = 'See "orderonce positions" and docs/positions.md';
    return held.map(({ partition, state, since, trouble }) => {
      const found = `partition ${partition} ${state}${since === null ? '' : ` since ${since}`}: ${trouble}`;
      return fail('positions', found, remedy);
    });
  } catch (error) {
    const remedy = 'Start a consumer: its first start creates the positions';
    return [warn('positions', reasonOf(error), remedy)];
  }
}

/** If a partition cannot be read, its records may be the oldest. */
async function ageOfOldest(reader: LogReader, pool: Pool): Promise<OldestRecord> {
  let oldest = 0;
  try {
    const { topicId } = await reader.identity();
    for (const report of await reportPositions(reader, pool)) {
      if (report.lag === null) return 'unknown';
      if (report.lag === 0 || report.position < (report.log_start ?? 0)) continue;
      const wish = { partition: report.partition, offset: report.position };
      const [first] = (await readSlice(reader, topicId, wish)).records;
      if (first !== undefined) oldest = Math.max(oldest, Date.now() - first.appendedMs);
    }
    return oldest === 0 ? 'none' : oldest;
  } catch {
    return 'unknown';
  }
}

async function examineServices(settings: Settings): Promise<Finding[]> {
  const { ok, warn } = judgeOf('services');
  const findings: Finding[] = [];
  const known: KnownTypes[] = [];
  const places = { producer: producerPlace(settings), consumer: consumerPlace(settings) };
  for (const [name, place] of Object.entries(places)) {
    const answer = await askHealth(place, HEALTH_MS);
    const { event_types: types } = answer?.facts ?? {};
    known.push({ who: name as keyof typeof places, types: Array.isArray(types) ? types : null });
    if (answer === null) {
      const remedy = `Start the ${name}, if it should run on this machine`;
      findings.push(warn(name, `does not answer at ${baseUrlOf(place)}`, remedy));
    } else if (answer.isHealthy) findings.push(ok(name, `${answer.url} is healthy`));
    else {
      const remedy = 'See its log, and docs/troubles.md';
      findings.push(warn(name, `${answer.url}: ${answer.detail}`, remedy));
    }
  }
  return [...findings, ...judgeTypes([...known, await knownHere(settings)])];
}

/** If EVENTS_MODULE cannot be used, the check of the tables says so. */
async function knownHere(settings: Settings): Promise<KnownTypes> {
  const model = await eventModelOf(settings).catch(() => null);
  return { who: 'this machine', types: model && knownTypesOf(model.rules.declared) };
}

/** Compares the handlers of this machine with those of the deployment, which `verify` needs. */
async function examineHandlers(settings: Settings, pool: Pool | null): Promise<Finding[]> {
  const { ok, warn, fail } = judgeOf('this machine');
  try {
    const { handlers } = await handlerSetOf(settings);
    const here = await identityOf(settings, handlers);
    const names = handlers.map(({ name }) => name).join(', ') || 'none';
    const deployed = pool && (await readDeployedHandlers(pool).catch(() => 'unknown' as const));
    if (deployed === 'unknown') {
      const remedy = 'Run "orderonce doctor" again once PostgreSQL answers and has its tables';
      return [warn('handlers', `${names}; those of the deployment are not known`, remedy)];
    }
    if (deployed === null || deployed.digest === here.digest) {
      return [ok('handlers', names)];
    }
    const found = `this machine has ${nameOf(here)}; the deployment runs ${nameOf(deployed)}`;
    const remedy =
      'Set HANDLERS_MODULE to the module that the consumers use: "verify" needs the same handlers';
    return [warn('handlers', found, remedy)];
  } catch (error) {
    return [fail('handlers', reasonOf(error), 'See docs/handlers.md')];
  }
}

async function examineMachine(settings: Settings, pool: Pool | null): Promise<Finding[]> {
  const { ok, warn, fail } = judgeOf('this machine');
  const findings: Finding[] = [];
  if (settings.DATABASE_URL === undefined && pool !== null) {
    const { bavail, bsize } = await statfs(settings.ORDERONCE_DATA_DIR);
    const free = bavail * bsize;
    const found = `${Math.round(free / 2 ** 20)} MiB free for ${settings.ORDERONCE_DATA_DIR}`;
    const remedy = 'Free disk space: PostgreSQL stops when the disk is full';
    if (free < FREE_FAIL_BYTES) findings.push(fail('disk', found, remedy));
    else if (free < FREE_WARN_BYTES) findings.push(warn('disk', found, remedy));
    else findings.push(ok('disk', found));
  }
  return findings;
}
