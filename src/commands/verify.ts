/** `orderonce verify`: proves that every record is accounted for, or lists what contradicts it. */

import { identityOf } from '../handlers/handlers-identity.ts';
import { eventModelOf } from '../services/event-model.ts';
import { handlerSetOf } from '../services/handler-set.ts';
import { openForeignReaders, openReader } from '../services/open-log.ts';
import { createPool } from '../store/pool.ts';
import { readReceipts } from '../verify/receipts.ts';
import { type Verdict, verify } from '../verify/verify.ts';
import { type Call, EXIT } from './command.ts';
import { databaseUrlOf, openPool } from './database.ts';
import { snakeCase } from './snake-case.ts';
import { tableOf } from './table.ts';

/** Limit for one query: 1 hour, since a query may read a whole table of a large database. */
const QUERY_MS = 3_600_000;
const CLOSE_MS = 1000;

/** @returns the exit code: 0 if the account is proven, else 1. */
export async function runVerify({ settings, flags, out }: Call): Promise<number> {
  const url = await databaseUrlOf(settings);
  const { handlers } = await handlerSetOf(settings);
  const { rules, projection } = await eventModelOf(settings);
  const identity = await identityOf(settings, handlers);
  const pool = createPool({
    connectionString: url,
    name: 'orderonce-verify',
    connectionsMax: 1,
    queryTimeoutMs: QUERY_MS,
  });
  const logPool = openPool(url, 'orderonce-verify-log');
  const readsLog = flags['against-log'] === true;
  const reader = readsLog ? await openReader(settings, () => logPool) : null;
  const foreignReaders = readsLog ? await openForeignReaders(settings) : [];
  const started = performance.now();
  try {
    const verdict = await verify(pool, {
      topic: settings.KAFKA_TOPIC,
      receipts: flags.receipts === undefined ? null : readReceipts(flags.receipts, rules.declared),
      handlers,
      identity,
      rules,
      projection,
      reader,
      foreignReaders,
      onStep: (done, of, what) => out.progress(progressText(done, of, what)),
    });
    const seconds = Number(((performance.now() - started) / 1000).toFixed(1));
    out.data(verdictText(verdict, seconds), snakeCase({ ...verdict, seconds }));
    return verdict.isProven ? EXIT.ok : EXIT.failed;
  } finally {
    for (const open of [reader, ...foreignReaders]) await open?.close(CLOSE_MS);
    await Promise.all([pool.end(), logPool.end()]);
  }
}

function progressText(done: number, of: number, what: string): string {
  return done === of ? '' : `${'█'.repeat(done)}${'░'.repeat(of - done)} ${what}`;
}

const HEADER = [
  'partition',
  'start..position',
  'stored',
  'duplicates',
  'conflicts',
  'parked',
  'waiting',
  'discarded',
  'no record',
];

function verdictText(verdict: Verdict, seconds: number): string {
  const { receipts, isProven, handlers, log } = verdict;
  const rows = verdict.partitions.map((p) => [
    `${p.topic}/${p.partition}${p.closed ? ` (log ${p.logId}, closed)` : ''}`,
    `${p.start}..${p.position}`,
    p.stored,
    p.duplicates,
    p.conflicts,
    p.parked,
    p.waiting,
    p.discarded,
    p.withoutRecord,
  ]);
  const ofReceipts = receipts === null ? [] : [`receipts  ${JSON.stringify(receipts)}`];
  const ofLog =
    log === null
      ? []
      : [`log       ${log.compared} offsets compared; retention has removed ${log.gone} others`];
  const ofHandlers = handlers.map(
    ({ handler, verdict: what }) => `handler   ${handler}: ${WORDS[what]}`,
  );
  const undeclared = verdict.undeclaredTypes;
  const ofTypes =
    undeclared === 0
      ? []
      : [
          `types     ${undeclared} typed events have their digests; EVENTS_MODULE here does not declare their types, so their data was not compared with a schema`,
        ];
  const findings = findingsOf(verdict);
  const end = isProven
    ? `Proven in ${seconds} s: every offset has exactly one outcome, and the effects equal the sum of the events.`
    : endOf(findings.length, handlers);
  return [
    tableOf(HEADER, rows),
    ...ofReceipts,
    ...ofLog,
    ...ofTypes,
    ...ofHandlers,
    ...findings,
    end,
  ].join('\n');
}

const WORDS = {
  proven: 'proven',
  contradicted: 'contradicted',
  'not checked': 'not proven, because it exports no check',
  'not run': 'NOT RUN: this machine does not have the check of the deployment',
};

function endOf(findings: number, handlers: Verdict['handlers']): string {
  const found = `${findings} findings above (at most 1000 of each kind are shown)`;
  const [first, ...more] = handlers.filter(({ verdict }) => verdict === 'not run');
  if (first === undefined) return `NOT proven: ${found}.`;
  const how = `HANDLERS_MODULE=${first.module ?? 'MODULE'} orderonce verify`;
  return `NOT proven: ${found}; ${1 + more.length} checks were not run. To run them with the handlers of the deployment: ${how}`;
}

function findingsOf({ offsets, rows, missing, handlers, log }: Verdict): string[] {
  return [
    ...offsets.map(
      (f) =>
        `${f.kind}: log ${f.logId}, partition ${f.partition}, offsets ${f.from} to ${f.to - 1}`,
    ),
    ...rows.map(({ kind, id, message }) => `${kind}: ${id} ${message}`),
    ...missing.map((r) => `missing: ${r.eventId} was accepted at ${r.partition}/${r.offset}`),
    ...handlers.flatMap(({ handler, findings }) => findings.map((f) => `${handler}: ${f}`)),
    ...(log?.findings ?? []).map(
      (f) =>
        `${f.kind}: ${f.topic === undefined ? '' : `topic ${f.topic}, `}partition ${f.partition}, offset ${f.offset} ${f.message}`,
    ),
  ];
}
