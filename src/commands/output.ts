/**
 * What a command prints. Standard output has the data, which programs may read; standard error has
 * the talk: progress, notes and errors. So `orderonce … | jq` never reads a note.
 */
import { styleText } from 'node:util';

export type Style = 'red' | 'yellow' | 'green' | 'bold' | 'dim';
/** One of the two streams; process.stdout and process.stderr are such. */
export type Stream = { readonly isTTY?: boolean; write(text: string): unknown };
type Env = Readonly<Record<string, string | undefined>>;

/**
 * Whether to write colours to a stream. The flag --color decides; without it NO_COLOR
 * (no-color.org), then FORCE_COLOR, then whether the stream is a terminal that knows colours.
 */
export function hasColor(when: string | undefined, env: Env, isTTY: boolean): boolean {
  if (when === 'always' || when === 'never') return when === 'always';
  const { NO_COLOR, FORCE_COLOR, TERM } = env;
  if (NO_COLOR !== undefined && NO_COLOR !== '') return false;
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== '') return !/^(0|false)$/.test(FORCE_COLOR);
  return isTTY && TERM !== 'dumb';
}

/** The output of one call. */
export class Output {
  readonly isJson: boolean;
  readonly stdout: Stream;
  readonly stderr: Stream;
  readonly #colors: { readonly stdout: boolean; readonly stderr: boolean };

  constructor(
    { json, color }: { readonly json?: boolean; readonly color?: string },
    { stdout, stderr, env }: { stdout: Stream; stderr: Stream; env: Env } = process,
  ) {
    this.isJson = json === true;
    this.stdout = stdout;
    this.stderr = stderr;
    this.#colors = {
      stdout: hasColor(color, env, stdout.isTTY === true),
      stderr: hasColor(color, env, stderr.isTTY === true),
    };
  }

  /** Prints data: with --json the value on one line, else the text. */
  data(text: string, value: unknown): void {
    this.stdout.write(`${this.isJson ? JSON.stringify(value) : text}\n`);
  }

  /** Tells the person something that is no data. */
  say(text: string): void {
    this.stderr.write(`${text}\n`);
  }

  /** Shows progress in place on a terminal; elsewhere nothing. An empty text removes it. */
  progress(text: string): void {
    if (this.stderr.isTTY === true) this.stderr.write(`\r\x1b[K${text}`);
  }

  /** The text in a colour, if the stream has colours. */
  paint(style: Style, text: string, stream: 'stdout' | 'stderr' = 'stdout'): string {
    return this.#colors[stream] ? styleText(style, text, { validateStream: false }) : text;
  }
}

/**
 * Text of an event or message for a terminal: control characters are shown as escapes, so that
 * nobody can move the cursor or forge lines; the bidirectional ones too, which reorder what is seen.
 */
export function plain(text: string, charsMax = 400): string {
  const shown = text.replaceAll(/[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu, (char) => {
    const code = char.codePointAt(0) ?? 0;
    return `\\u${code.toString(16).padStart(4, '0')}`;
  });
  return shown.length <= charsMax ? shown : `${shown.slice(0, charsMax - 1)}…`;
}
