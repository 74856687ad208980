import { pino } from 'pino';

export type Logger = pino.Logger;

/**
 * One JSON object per line on standard output. Foreign text only ever goes into fields, which JSON
 * escapes, never into messages: a line feed or an ANSI code in an event cannot forge a line.
 */
export function createLogger(level: string): Logger {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime });
}
