/**
 * `orderonce top`: the overview each second. On a terminal it is drawn in place, on the alternate
 * screen, so that what was there before is there again afterwards. Elsewhere it is a line each.
 */
import type { ReadStream } from 'node:tty';
import { OrderonceError } from '../errors.ts';
import { pause } from '../runtime/backoff.ts';
import { type Call, EXIT } from './command.ts';
import { ConsumerApi } from './consumer-api.ts';
import { plain } from './output.ts';
import { overviewLine, overviewText } from './overview-text.ts';
import { readOverview } from './status.ts';
import { untilEnd } from './until-end.ts';

const TURN_MS = 1000;
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';
/** Ctrl-C arrives as this byte while the terminal is in raw mode. */
const CTRL_C = '\x03';

/**
 * @returns exit code 0, when `q` or Ctrl-C was pressed or --seconds have passed.
 * @throws CONSUMER_UNREACHABLE (exit code 3) if the consumer does not answer at first. Later it is
 * shown, and asked again.
 */
export async function runTop(call: Call): Promise<number> {
  const { settings, flags, out } = call;
  const api = new ConsumerApi(settings, flags.url);
  const end = untilEnd(flags.seconds);
  const isDrawn = process.stdout.isTTY === true && !out.isJson;
  try {
    let overview = await readOverview(api);
    if (isDrawn) {
      out.stdout.write(ENTER);
      listenToKeys(process.stdin as ReadStream, () => end.stop());
    }
    for (let trouble: string | null = null; ; ) {
      if (isDrawn)
        out.stdout.write(pictureOf(call, overviewText(overview, out, Date.now()), trouble));
      else if (trouble === null) out.data(overviewLine(overview), overview);
      else out.say(trouble);
      await pause(TURN_MS, end.signal);
      if (end.signal.aborted) return EXIT.ok;
      trouble = null;
      try {
        overview = await readOverview(api);
      } catch (error) {
        if (!(error instanceof OrderonceError)) throw error;
        trouble = plain(error.message);
      }
    }
  } finally {
    if (isDrawn) out.stdout.write(LEAVE);
    end.stop();
  }
}

/** Each line is overwritten rather than the screen cleared, so that nothing flickers. */
function pictureOf({ out }: Call, text: string, trouble: string | null): string {
  // A terminal that does not know its size says 0.
  const rows = process.stdout.rows || 24;
  const columns = process.stdout.columns || 80;
  const last = trouble === null ? 'q quits' : out.paint('red', trouble);
  const lines = text.split('\n').slice(0, Math.max(1, rows - 2));
  // A line that is too long would wrap, and move the others; colour would be cut with it.
  const shown = [...lines, '', last].map((line) =>
    line.length <= columns ? line : plain(withoutStyle(line), columns),
  );
  return `${HOME}${shown.map((line) => `${line}${CLEAR_LINE}`).join('\r\n')}${CLEAR_BELOW}`;
}

function withoutStyle(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a sequence of colour begins with one.
  return line.replaceAll(/\x1b\[\d*m/g, '');
}

function listenToKeys(stdin: ReadStream, onQuit: () => void): void {
  if (!stdin.isTTY) return;
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  stdin.on('data', (keys) => {
    if (String(keys).includes('q') || String(keys).includes(CTRL_C)) onQuit();
  });
}
