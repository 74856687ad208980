/** `orderonce doctor`: checks each condition that the guarantees depend on, and says what to do. */
import { examine } from '../doctor/doctor.ts';
import type { Finding } from '../doctor/finding.ts';
import type { Settings } from '../settings/settings.ts';
import type { Pool } from '../store/pool.ts';
import { type Call, EXIT } from './command.ts';
import { databaseUrlOf, openPool } from './database.ts';
import type { Output } from './output.ts';

const SIGNS = { ok: '✔', warn: '!', fail: '✖' } as const;
const STYLES = { ok: 'green', warn: 'yellow', fail: 'red' } as const;

/** @returns the exit code: 1 if a check fails. Warnings do not count. */
export async function runDoctor({ settings, out }: Call): Promise<number> {
  const pool = await poolOf(settings);
  try {
    const findings = await examine(settings, pool);
    const isFit = findings.every(({ verdict }) => verdict !== 'fail');
    out.data(findingsText(findings, out), { fit: isFit, findings });
    return isFit ? EXIT.ok : EXIT.failed;
  } finally {
    await pool?.end();
  }
}

/** @returns null without a database. That is valid with Kafka, where producers need none. */
async function poolOf(settings: Settings): Promise<Pool | null> {
  const url = await databaseUrlOf(settings).catch((error: unknown) => {
    if (settings.KAFKA_BOOTSTRAP_SERVERS === undefined) throw error;
    return null;
  });
  return url === null ? null : openPool(url, 'orderonce-doctor');
}

function findingsText(findings: readonly Finding[], out: Output): string {
  const lines = findings.flatMap(({ area, check, verdict, found, remedy }) => {
    const sign = out.paint(STYLES[verdict], SIGNS[verdict]);
    const line = `${sign} ${area.padEnd(12)}  ${check.padEnd(18)}  ${found}`;
    return remedy === undefined ? [line] : [line, `  ${''.padEnd(34)}→ ${remedy}`];
  });
  const count = (wanted: Finding['verdict']) =>
    findings.filter(({ verdict }) => verdict === wanted).length;
  const end = `${count('ok')} ok, ${count('warn')} warnings, ${count('fail')} failures`;
  return [...lines, end].join('\n');
}
