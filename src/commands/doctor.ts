/** `orderonce doctor`: checks each condition that the guarantees depend on, and says what to do. */
import { examine } from '../doctor/doctor.ts';
import type { Finding } from '../doctor/finding.ts';
import type { Settings } from '../settings/settings.ts';
import type { Pool } from '../store/pool.ts';
import type { Call } from './command.ts';
import { databaseUrlOf, openPool } from './database.ts';

const SIGNS = { ok: '✔', warn: '!', fail: '✖' } as const;

/** @returns the exit code: 1 if a check fails. Warnings do not count. */
export async function runDoctor({ settings, flags }: Call): Promise<number> {
  const pool = await poolOf(settings);
  try {
    const findings = await examine(settings, pool);
    const isFit = findings.every(({ verdict }) => verdict !== 'fail');
    if (flags.json === true) console.log(JSON.stringify({ fit: isFit, findings }));
    else console.log(findingsText(findings));
    return isFit ? 0 : 1;
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

function findingsText(findings: readonly Finding[]): string {
  const lines = findings.flatMap(({ area, check, verdict, found, remedy }) => {
    const line = `${SIGNS[verdict]} ${area.padEnd(12)}  ${check.padEnd(18)}  ${found}`;
    return remedy === undefined ? [line] : [line, `  ${''.padEnd(34)}→ ${remedy}`];
  });
  const count = (wanted: Finding['verdict']) =>
    findings.filter(({ verdict }) => verdict === wanted).length;
  const end = `${count('ok')} ok, ${count('warn')} warnings, ${count('fail')} failures`;
  return [...lines, end].join('\n');
}
