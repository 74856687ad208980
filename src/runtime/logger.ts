import { pino } from 'pino';

export type Logger = pino.Logger;

/**
 * One JSON object per line, on standard output unless that is for the answer of a command. Foreign text only ever goes into fields, which JSON
 * escapes, never into messages: a line feed or an ANSI code in an event cannot forge a line.
 */
export function createLogger(level: string, output: 'stdout' | 'stderr' = 'stdout'): Logger {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  return output === 'stdout' ? pino(options) : pino(options, pino.destination(2));
}
