/** `orderonce doctor`: a verdict for each thing that the guarantees rest on, and how to mend it. */
import { examine } from '../doctor/doctor.ts';
import type { Finding } from '../doctor/finding.ts';
import type { Call } from './command.ts';
import { databaseUrlOf, openPool } from './database.ts';

const SIGNS = { ok: '✔', warn: '!', fail: '✖' } as const;

/** Exit code 1 where something fails; warnings do not count. */
export async function runDoctor({ settings, flags }: Call): Promise<number> {
  const pool = openPool(await databaseUrlOf(settings), 'orderonce-doctor');
  try {
    const findings = await examine(settings, pool);
    const isFit = findings.every(({ verdict }) => verdict !== 'fail');
    if (flags.json === true) console.log(JSON.stringify({ fit: isFit, findings }));
    else console.log(pageOf(findings));
    return isFit ? 0 : 1;
  } finally {
    await pool.end();
  }
}

function pageOf(findings: readonly Finding[]): string {
  const lines = findings.flatMap(({ area, check, verdict, found, remedy }) => {
    const line = `${SIGNS[verdict]} ${area.padEnd(12)}  ${check.padEnd(18)}  ${found}`;
    return remedy === undefined ? [line] : [line, `  ${''.padEnd(34)}→ ${remedy}`];
  });
  const count = (wanted: Finding['verdict']) =>
    findings.filter(({ verdict }) => verdict === wanted).length;
  const end = `${count('ok')} fine, ${count('warn')} warnings, ${count('fail')} failures`;
  return [...lines, end].join('\n');
}
