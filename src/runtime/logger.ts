import { pino } from 'pino';
import { VERSION } from './version.ts';

export type Logger = pino.Logger;

/**
 * Writes one JSON object per line: `level` as a word, `time` in UTC, `version`, the fields of the
 * caller, `msg`. The caller adds `service` by child(), once.
 *
 * Callers must put text from outside into fields, never into messages. JSON escapes fields, so a
 * line feed or an ANSI code in an event cannot forge a log line. Fields of lines from `info` up must
 * not hold what an event says about people: its user, its amount, its payload.
 *
 * @param output 'stderr' for commands that print their result on standard output.
 */
export function createLogger(level: string, output: 'stdout' | 'stderr' = 'stdout'): Logger {
  const options = {
    level,
    base: { version: VERSION },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return output === 'stdout' ? pino(options) : pino(options, pino.destination(2));
}
