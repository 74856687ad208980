/**
 * Reads `.env` as docker-compose reads the same file, and nearly as a shell does: lines NAME=value,
 * optionally with `export` in front, with quotes and comments. Any other line is an error. If it
 * were skipped, a value that somebody wrote down would silently have no effect.
 */
import { OrderonceError } from '../errors.ts';

const NAME = /^(?:export\s+)?([A-Za-z_][\w.-]*)[ \t]*=(.*)$/s;
/** Escapes in double quotes. Before any other character a backslash stays, as in a Windows path. */
const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  '"': '"',
  '\\': '\\',
  $: '$',
};
/** The byte order marks of UTF-16, which some editors and shells on Windows write. */
const UTF16 = [Buffer.from([0xff, 0xfe]), Buffer.from([0xfe, 0xff])];

type Line = { readonly number: number; readonly name: string; readonly value: string };

/**
 * Reads the lines of a `.env` file.
 * @param isOurs tells whether a name is a setting of Orderonce; the file holds others for compose.
 * @throws SETTING_INVALID with the number of each wrong line, but not its content, which may be
 * secret.
 */
export function readDotEnv(
  bytes: Buffer,
  isOurs: (name: string) => boolean,
): Record<string, string> {
  const problems: string[] = [];
  const lines = assignmentsIn(textOf(bytes), isOurs, problems);
  const values: Record<string, string> = {};
  const seen = new Map<string, Line>();
  for (const line of lines) {
    const before = seen.get(line.name);
    if (before !== undefined && before.value !== line.value) {
      const where = `lines ${before.number} and ${line.number}`;
      problems.push(`${where} give ${line.name} different values: remove one`);
    }
    seen.set(line.name, line);
    values[line.name] = line.value;
  }
  if (problems.length === 0) return values;
  throw new OrderonceError('SETTING_INVALID', `.env: ${problems.join('; ')}`);
}

/** The text as UTF-8, without a byte order mark. */
function textOf(bytes: Buffer): string {
  const isUtf16 = UTF16.some((mark) => bytes.subarray(0, 2).equals(mark)) || bytes.includes(0);
  try {
    if (!isUtf16) return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // Not valid UTF-8: the error below says so.
  }
  const what = isUtf16 ? 'UTF-16' : 'in another encoding';
  throw new OrderonceError(
    'SETTING_INVALID',
    `.env cannot be read, because it is ${what}: save it as UTF-8`,
  );
}

function assignmentsIn(
  text: string,
  isOurs: (name: string) => boolean,
  problems: string[],
): Line[] {
  const found: Line[] = [];
  const lines = text.split(/\r?\n/);
  for (let i = 0; i < lines.length; i++) {
    // The end is not trimmed: a quoted value may continue in the next line, and its spaces count.
    const line = (lines[i] as string).trimStart();
    if (line === '' || line.startsWith('#')) continue;
    const number = i + 1;
    const [, name, rest] = NAME.exec(line) ?? [];
    if (name === undefined || rest === undefined) {
      problems.push(`line ${number} does not have the form NAME=value; comments begin with #`);
      continue;
    }
    const content = rest.trimStart();
    const quote = content[0] ?? '';
    let value = rest.replace(/\s#.*$/s, '').trim();
    if (['"', "'", '`'].includes(quote)) {
      // A quoted value may span several lines, such as a key in PEM.
      let quoted = content.slice(1);
      let end = endOf(quoted, quote);
      while (end === -1 && i + 1 < lines.length) {
        quoted += `\n${lines[++i]}`;
        end = endOf(quoted, quote);
      }
      if (end === -1) problems.push(`line ${number} opens a ${quote} that is never closed`);
      else if (!/^\s*(#.*)?$/s.test(quoted.slice(end + 1)))
        problems.push(`line ${i + 1} has text after the quoted value of ${name}`);
      value = quote === '"' ? unescaped(quoted.slice(0, end)) : quoted.slice(0, end);
    }
    if (value.includes('\r')) problems.push(`line ${number} contains a carriage return`);
    if (isOurs(name) && quote !== "'" && value.includes('${'))
      problems.push(`line ${number}: \${…} is not replaced here; write out the value of ${name}`);
    found.push({ number, name, value });
  }
  return found;
}

/** The index of the closing quote, or -1. In double quotes a backslash escapes a quote. */
function endOf(quoted: string, quote: string): number {
  if (quote !== '"') return quoted.indexOf(quote);
  for (let i = 0; i < quoted.length; i++) {
    if (quoted[i] === '\\') i++;
    else if (quoted[i] === '"') return i;
  }
  return -1;
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/gs, (both, letter: string) => ESCAPES[letter] ?? both);
}
