/** Numbers, times and texts as people read them. Pure. */

/** `10,248`; `?` if it is not known. */
export function number(value) {
  return value === null || value === undefined ? '?' : value.toLocaleString('en-US');
}

/** `1 record`, `3 records`. */
export function many(count, word) {
  return `${number(count)} ${word}${count === 1 ? '' : 's'}`;
}

/** A span of time: `4 s`, `3 min`, `2 h 5 min`, `3 d`. */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return '?';
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return seconds > 0 && seconds < 1 ? '<1 s' : `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  if (hours < 48) return minutes === 0 ? `${hours} h` : `${hours} h ${minutes} min`;
  return `${Math.floor(hours / 24)} d`;
}

/** A span in milliseconds, exact below a second: `12 ms`, `4 s`. */
export function spanMs(ms) {
  return Math.abs(ms) < 1000 ? `${Math.round(ms)} ms` : span(ms / 1000);
}

/** How long ago a time was. @param nowMs the clock of the server, in ms since 1970. */
export function ago(iso, nowMs) {
  return iso === null || iso === undefined ? '' : span((nowMs - Date.parse(iso)) / 1000);
}

/** `2026-01-02 03:04:05.789`, in UTC or in the zone of the browser. */
export function time(iso, isLocal = false) {
  if (iso === null || iso === undefined) return '';
  if (!isLocal) return iso.slice(0, 23).replace('T', ' ').replace('Z', '');
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return iso;
  const two = (value, digits = 2) => String(value).padStart(digits, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const clock = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return `${day} ${clock}.${two(at.getMilliseconds(), 3)}`;
}

/** Stands for what the API key of this page may not see. */
export const HIDDEN = 'Hidden from this API key.';

/** Cuts a long text between two code points, and says how much is missing. */
export function clip(text, max) {
  const points = text.length <= max ? [] : Array.from(text);
  if (points.length <= max) return text;
  return `${points.slice(0, max).join('')}… (${number(points.length - max)} more characters)`;
}

/** A value of a payload as text: texts as they are, others as JSON. */
export function valueText(value) {
  if (value === null || value === undefined) return '–';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** What is wrong, in one line: a message, or a list of errors of fields. */
export function detailText(detail) {
  if (detail === null || detail === undefined) return '';
  if (typeof detail === 'string') return detail;
  if (Array.isArray(detail)) return detail.map(fieldErrorText).join('; ');
  return typeof detail.message === 'string' ? detail.message : JSON.stringify(detail);
}

function fieldErrorText({ type, loc = [], msg = '' }) {
  if (type === 'json_invalid') return `${msg} at position ${loc.at(-1)}`;
  const path = loc.filter((part) => part !== 'body' && part !== 'query').join('.');
  return path === '' ? msg : `${path}: ${msg}`;
}

/** The bytes in hexadecimal and ASCII, 16 a line. */
export function hexDump(bytes, max) {
  const lines = [];
  for (let at = 0; at < Math.min(bytes.length, max); at += 16) {
    const row = [...bytes.slice(at, Math.min(at + 16, max))];
    const hex = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const ascii = row.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : '.'));
    lines.push(`${at.toString(16).padStart(6, '0')}  ${hex.padEnd(47)}  ${ascii.join('')}`);
  }
  if (bytes.length > max) lines.push(`… ${number(bytes.length - max)} more bytes`);
  return lines.join('\n');
}
