import { pino } from 'pino';

export type Logger = pino.Logger;

/**
 * Writes one JSON object per line.
 *
 * Callers must put text from outside into fields, never into messages. JSON escapes fields, so a
 * line feed or an ANSI code in an event cannot forge a log line.
 *
 * @param output 'stderr' for commands that print their result on standard output.
 */
export function createLogger(level: string, output: 'stdout' | 'stderr' = 'stdout'): Logger {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  return output === 'stdout' ? pino(options) : pino(options, pino.destination(2));
}
