/**
 * Reads `.env` as docker-compose reads the same file, and a shell nearly so: NAME=value, `export` in
 * front, quotes, comments. A line that is nothing of this is an error, never left out: what somebody
 * wrote down there would not be in force.
 */
import { OrderonceError } from '../errors.ts';

const NAME = /^(?:export\s+)?([A-Za-z_][\w.-]*)[ \t]*=(.*)$/s;
/** In double quotes; anything else behind a backslash keeps it, as in a path of Windows. */
const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  '"': '"',
  '\\': '\\',
  $: '$',
};
/** Two bytes for each letter: the editors and shells of Windows write it. */
const UTF16 = [Buffer.from([0xff, 0xfe]), Buffer.from([0xfe, 0xff])];

type Line = { readonly number: number; readonly name: string; readonly value: string };

/**
 * @param isOurs whether a name is one of a setting: compose has others in this file.
 * @throws SETTING_INVALID naming each line that is wrong. No content is repeated: it may be secret.
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

/** Without the byte order mark that some editors write. */
function textOf(bytes: Buffer): string {
  const isUtf16 = UTF16.some((mark) => bytes.subarray(0, 2).equals(mark)) || bytes.includes(0);
  try {
    if (!isUtf16) return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // The same answer.
  }
  const what = isUtf16 ? 'UTF-16' : 'in another encoding';
  throw new OrderonceError(
    'SETTING_INVALID',
    `.env cannot be read: it is ${what}, save it as UTF-8`,
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
    // Not trimmed at its end: a quoted value may go on in the next line, and blanks are part of it.
    const line = (lines[i] as string).trimStart();
    if (line === '' || line.startsWith('#')) continue;
    const number = i + 1;
    const [, name, rest] = NAME.exec(line) ?? [];
    if (name === undefined || rest === undefined) {
      problems.push(`line ${number} is no NAME=value; comments begin with #`);
      continue;
    }
    const content = rest.trimStart();
    const quote = content[0] ?? '';
    let value = rest.replace(/\s#.*$/s, '').trim();
    if (['"', "'", '`'].includes(quote)) {
      // A quoted value may go over many lines, such as a key in PEM.
      let quoted = content.slice(1);
      let end = endOf(quoted, quote);
      while (end === -1 && i + 1 < lines.length) {
        quoted += `\n${lines[++i]}`;
        end = endOf(quoted, quote);
      }
      if (end === -1) problems.push(`line ${number} begins a ${quote} that never ends`);
      else if (!/^\s*(#.*)?$/s.test(quoted.slice(end + 1)))
        problems.push(`line ${i + 1} has something behind the quoted value of ${name}`);
      value = quote === '"' ? unescaped(quoted.slice(0, end)) : quoted.slice(0, end);
    }
    if (value.includes('\r')) problems.push(`line ${number} has a carriage return in it`);
    if (isOurs(name) && quote !== "'" && value.includes('${'))
      problems.push(`line ${number}: \${…} is not replaced here, write the value of ${name} out`);
    found.push({ number, name, value });
  }
  return found;
}

/** Of the quote that ends it; in double quotes one may be escaped. */
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
