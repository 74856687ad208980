/**
 * Headers for the collector of traces, as OpenTelemetry writes them: `name=value` pairs separated by
 * commas, with percent-encoded values.
 * https://opentelemetry.io/docs/specs/otel/protocol/exporter/
 */
const PAIR = /^\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*([\x21-\x2b\x2d-\x7e]*)\s*$/;

/** @throws Error if the text has another form. The message does not quote it: it may hold a key. */
export function headersOf(text: string): Record<string, string> {
  const pairs = text.split(',').filter((pair) => pair.trim() !== '');
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, name = '', value = ''] = PAIR.exec(pair) ?? [];
      if (name === '') throw new Error('is not a list of name=value pairs');
      return [name, decodeURIComponent(value)];
    }),
  );
}

export function areHeaders(text: string): boolean {
  try {
    return Object.keys(headersOf(text)).length > 0;
  } catch {
    return false;
  }
}
