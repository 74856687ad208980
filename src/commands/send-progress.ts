/**
 * The files that `orderonce send FILE` writes beside FILE: the receipts of the accepted events, the
 * rejected lines with their reasons, and its progress. The progress is written last. If a run is
 * killed in between, the next one sends some lines again, and no receipt is missing.
 */
import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { appendFile, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { OrderonceError } from '../errors.ts';
import type { BodyLine } from '../ingest/body-lines.ts';
import type { Result } from './send-batch.ts';

/** How far a file has been sent. */
export type Progress = {
  /** Bytes of the file that are done; the next run starts there. */
  readonly bytes: number;
  readonly lines: number;
  readonly accepted: number;
  readonly rejected: number;
  /** The last line with a verdict. It is compared with the file, which may have been replaced. */
  readonly last?: { readonly start: number; readonly length: number; readonly sha256: string };
};

const START: Progress = { bytes: 0, lines: 0, accepted: 0, rejected: 0 };
const ANEW = 'to start again; events that were sent before become duplicates';

/** The progress of one run, in memory and on disk. */
export class SendProgress {
  readonly #name: string;
  readonly #isKept: boolean;
  readonly #bytesMax: number;
  #done: Progress;

  private constructor(
    name: string,
    { isKept, bytesMax }: { readonly isKept: boolean; readonly bytesMax: number },
    done: Progress,
  ) {
    this.#name = name;
    this.#isKept = isKept;
    this.#bytesMax = bytesMax;
    this.#done = done;
  }

  /**
   * Reads how far an earlier run came.
   * @param name path of the file; the files of the run have the same name with a suffix.
   * @param isKept whether runs can be resumed. It is false for standard input.
   * @param bytesMax where longer lines were cut.
   * @throws SETTING_INVALID if the progress cannot be read, or does not match the file.
   */
  static async open(name: string, isKept: boolean, bytesMax: number): Promise<SendProgress> {
    const done = isKept ? await readProgress(name) : START;
    return new SendProgress(name, { isKept, bytesMax }, done);
  }

  get done(): Progress {
    return this.#done;
  }

  /**
   * Stores these verdicts: receipts, rejected lines, then the progress.
   * @param lines the lines that were sent; there may be more of them than results.
   */
  async note(lines: readonly BodyLine[], results: readonly Result[]): Promise<void> {
    const receipts: string[] = [];
    const rejects: string[] = [];
    for (const [index, { status, event_id, partition, offset, detail }] of results.entries()) {
      const line = lines[index] as BodyLine;
      if (status === 'accepted') receipts.push(JSON.stringify({ event_id, partition, offset }));
      else
        rejects.push(
          JSON.stringify({ line: line.number, detail, ...contentOf(line, this.#bytesMax) }),
        );
    }
    const name = this.#name;
    if (receipts.length > 0) await appendFile(`${name}.receipts`, `${receipts.join('\n')}\n`);
    if (rejects.length > 0) await appendFile(`${name}.rejected`, `${rejects.join('\n')}\n`);
    const { bytes, number, start, end } = lines[results.length - 1] as BodyLine;
    this.#done = {
      bytes: end,
      lines: number,
      accepted: this.#done.accepted + receipts.length,
      rejected: this.#done.rejected + rejects.length,
      last: { start, length: bytes.length, sha256: sha256(bytes) },
    };
    if (!this.#isKept) return;
    await writeFile(`${name}.progress.new`, JSON.stringify(this.#done));
    await rename(`${name}.progress.new`, `${name}.progress`);
  }

  /** Call it when the whole file has been sent. It removes the progress, not the other files. */
  async end(): Promise<void> {
    await rm(`${this.#name}.progress`, { force: true });
  }
}

/** The line as text, or as base64 if it is not UTF-8. A line over the size limit is cut there. */
function contentOf({ bytes }: BodyLine, bytesMax: number): object {
  const content = isUtf8(bytes) ? { text: bytes.toString() } : { base64: bytes.toString('base64') };
  return bytes.length > bytesMax ? { ...content, is_cut: true } : content;
}

async function readProgress(name: string): Promise<Progress> {
  const file = `${name}.progress`;
  const text = await readFile(file, 'utf8').catch(() => null);
  if (text === null) return START;
  const progress = parseProgress(text);
  if (progress === null) {
    throw new OrderonceError('SETTING_INVALID', `${file} cannot be read. Delete it ${ANEW}`);
  }
  const { last } = progress;
  if (last !== undefined && sha256(await readBytes(name, last)) !== last.sha256) {
    const message = `${name} has changed since the run that wrote ${file}. Delete ${file} ${ANEW}`;
    throw new OrderonceError('SETTING_INVALID', message);
  }
  return progress;
}

/** @returns null if the text is not a progress of this release. Older ones counted only lines. */
function parseProgress(text: string): Progress | null {
  try {
    const progress = JSON.parse(text) as Partial<Progress> | null;
    const { bytes, lines, accepted, rejected } = progress ?? {};
    const isWhole = [bytes, lines, accepted, rejected].every(Number.isSafeInteger);
    return isWhole ? (progress as Progress) : null;
  } catch {
    return null;
  }
}

async function readBytes(
  name: string,
  { start, length }: { readonly start: number; readonly length: number },
): Promise<Buffer> {
  const file = await open(name);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, start);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
