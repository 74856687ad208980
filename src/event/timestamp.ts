/**
 * The timestamp of an event: the years, the check, and the same rule as a JSON Schema pattern and as
 * a pattern of the usual form.
 *
 * Clients write one instant in many ways. Each spelling that can mean only one instant, and that a
 * library or database really writes, is accepted: the date-time of RFC 3339, and beyond it a space
 * for `T`, no seconds, a comma before the fraction (ISO 8601 allows each of them), a zone without
 * colon, minutes or with seconds, `UTC`, and a zone's name in brackets after the offset (RFC 9557).
 * One spelling is stored. timestamp.test.ts has a table of who writes what.
 */
import { accept, type FieldVerdict, refuse } from './field-error.ts';
import { isString, textOf } from './json-members.ts';

/** Digits of a second that are kept: PostgreSQL stores microseconds (manual, section 8.5). */
export const SECOND_DECIMALS_MAX = 6;

/** The first and the last year, in UTC. */
export const YEAR_MIN = 1970;
export const YEAR_MAX = 9999;
/** The same years, and the leap years among them, as patterns: a test compares them. */
const YEAR = '(19[7-9][0-9]|[2-9][0-9]{3})';
const LEAP_YEAR =
  '(19(7[26]|8[048]|9[26])|[2-9][0-9](0[48]|[2468][048]|[13579][26])|([2468][048]|[3579][26])00)';

/** Months and days without 29 February, which does not exist in every year. */
const DAY =
  '((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)' +
  '|02-(0[1-9]|1[0-9]|2[0-8]))';
const HOUR = '([01][0-9]|2[0-3])';
const SIXTIETH = '[0-5][0-9]';
/** The name of a zone changes nothing, since the offset before it gives the instant. */
const ZONE_NAME = '\\[[A-Za-z0-9_+:./~-]{1,100}\\]';

/** The spellings without regard to the calendar and the clock, which checkTimestamp looks at. */
const SPELLING = new RegExp(
  '^(\\d{4})-(\\d\\d)-(\\d\\d)[Tt ](\\d\\d):(\\d\\d)(?::(\\d\\d)(?:[.,](\\d+))?)?' +
    '(?: ?([Zz]|UTC|[+-]\\d\\d(?:\\d\\d|(?::\\d\\d){1,2})?))?' +
    `(?:${ZONE_NAME})?$`,
);

/**
 * A pattern for JSON Schema that accepts what checkTimestamp does. Only at the first and last hours
 * of the years, where the zone decides, it goes by the year as it is written.
 */
export const TIMESTAMP_PATTERN =
  `^(${YEAR}-${DAY}|${LEAP_YEAR}-02-29)[Tt ]${HOUR}:${SIXTIETH}(:${SIXTIETH}([.,][0-9]+)?)?` +
  ` ?([Zz]|UTC|[+-]${HOUR}(${SIXTIETH}|(:${SIXTIETH}){1,2})?)(${ZONE_NAME})?$`;

/**
 * A pattern, without groups, of what our API and most clients write: UTC with `Z` and at most as
 * many decimals as are kept. It leaves out 29 February. What it matches, checkTimestamp accepts.
 */
export const USUAL_TIMESTAMP_PATTERN =
  `${YEAR}-${DAY}T${HOUR}:${SIXTIETH}:${SIXTIETH}(\\.[0-9]{1,${SECOND_DECIMALS_MAX}})?Z`.replaceAll(
    '(',
    '(?:',
  );

const MS_MIN = Date.UTC(YEAR_MIN, 0, 1);
const MS_MAX = Date.UTC(YEAR_MAX, 11, 31, 23, 59, 59);

const SUCH_AS = 'such as 2026-01-02T03:04:05Z or 2026-01-02T05:04:05+02:00';

/**
 * Accepts the JSON source text of a string with an unambiguous time on the calendar, in the years
 * YEAR_MIN to YEAR_MAX in UTC. Returns it in UTC with six decimals of a second, as in
 * `2026-01-02T03:04:05.123456Z`; digits beyond microseconds are cut off. A time without a zone and a
 * number are refused, because their reader would have to guess the zone or the unit.
 */
export function checkTimestamp(source: string): FieldVerdict {
  if (!isString(source)) {
    return refuse('datetime_type', `Input should be a valid datetime string, ${SUCH_AS}`);
  }
  const match = SPELLING.exec(textOf(source));
  if (match === null) {
    return refuse('datetime_parsing', `Input should be a valid RFC 3339 datetime, ${SUCH_AS}`);
  }
  const [year, month, day, hour, minute] = match.slice(1, 6).map(Number) as Five;
  const [second = '0', fraction = '', zone] = match.slice(6);
  if (zone === undefined) {
    return refuse('timezone_aware', `Input should have timezone info, ${SUCH_AS}`);
  }
  // Every month has 28 days; only for later ones a Date is worth its time.
  const isDay = day >= 1 && (day <= 28 || day <= daysIn(year, month));
  const isOnCalendar = month >= 1 && month <= 12 && isDay;
  const offset = offsetMsOf(zone);
  // Second 60 is refused: PostgreSQL would roll it over into the next minute. So is hour 24, which
  // would be a second spelling of the next day, and which no client is known to write.
  if (!isOnCalendar || hour > 23 || minute > 59 || +second > 59 || offset === null) {
    return refuse(
      'datetime_parsing',
      'Input should be a datetime that exists on the calendar, with hours 00 to 23 and minutes and seconds 00 to 59',
    );
  }
  // Years before 1969 are refused without Date.UTC, which reads 0 to 99 as 1900 to 1999.
  const isTooEarly = year < YEAR_MIN - 1;
  const ms = isTooEarly ? -1 : Date.UTC(year, month - 1, day, hour, minute, +second) - offset;
  if (ms < MS_MIN || ms > MS_MAX) {
    return refuse(
      'datetime_parsing',
      `Input should lie in the years ${YEAR_MIN} to ${YEAR_MAX} in UTC`,
    );
  }
  const micros = fraction.slice(0, SECOND_DECIMALS_MAX).padEnd(SECOND_DECIMALS_MAX, '0');
  return accept(`${new Date(ms).toISOString().slice(0, 19)}.${micros}Z`);
}

/**
 * Whether an accepted timestamp is spelled as RFC 3339, section 5.6, has it, with the numeric offset
 * of its grammar. Releases that accepted nothing else made dead letters of other spellings.
 */
export function isRfc3339(text: string): boolean {
  return /^[^ ]{10}[Tt][^ ]{5}:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.test(text);
}

type Five = [number, number, number, number, number];

/** How far the zone is ahead of UTC; null if its hours, minutes or seconds do not exist. */
function offsetMsOf(zone: string): number | null {
  const sign = zone[0];
  if (sign !== '+' && sign !== '-') return 0;
  const digits = zone.replaceAll(':', '');
  const hours = +digits.slice(1, 3);
  const minutes = +digits.slice(3, 5);
  const seconds = +digits.slice(5);
  if (hours > 23 || minutes > 59 || seconds > 59) return null;
  return (sign === '-' ? -1 : 1) * (hours * 3600 + minutes * 60 + seconds) * 1000;
}

function daysIn(year: number, month: number): number {
  return new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate();
}
