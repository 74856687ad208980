/** A program that a user starts in a shell and ends with Ctrl-C. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { SHELL } from './tarball.ts';
import { until } from './until.ts';

export type Running = { stop(): Promise<void> };

export type StartOptions = {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What it prints when it is ready. Default: what `orderonce start` prints. */
  readonly text?: string;
  readonly withinMs?: number;
};

/** Starts it and waits until it prints the text. @throws with its output if it ends before. */
export async function startRunning(
  [program, ...args]: readonly [string, ...string[]],
  { cwd, env = {}, text = 'Orderonce runs', withinMs = 60_000 }: StartOptions,
): Promise<Running> {
  // A group of its own, so that the signal reaches Orderonce behind npm, as Ctrl-C does.
  const child = spawn(program, args, { cwd, env: { ...SHELL, ...env }, detached: true });
  child.stdin.end();
  const ended = new Promise<void>((done) => child.once('close', () => done()));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  const stop = async () => {
    if (child.exitCode === null) process.kill(-(child.pid as number), 'SIGINT');
    await ended;
  };
  const printed = until(`it prints "${text}"`, () => output.includes(text), { withinMs });
  const failed = ended.then(() => assert.fail(`It ended:\n${output}`));
  failed.catch(() => {});
  await Promise.race([printed, failed]).catch(async (error) => {
    await stop();
    throw error;
  });
  return { stop };
}

/** Runs commands in a shell to their end. @returns what they print. @throws where one fails. */
export async function runShell(
  commands: string,
  { cwd, env = {} }: Pick<StartOptions, 'cwd' | 'env'>,
): Promise<string> {
  const child = spawn('bash', bashArgs(commands), { cwd, env: { ...SHELL, ...env } });
  child.stdin.end();
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const code = await new Promise((done) => child.once('close', done));
  assert.equal(code, 0, `Exit code ${code}:\n${output}\n${errors}`);
  return output;
}

/** Any command that fails ends the shell. */
export function bashArgs(commands: string): [string, ...string[]] {
  return ['-e', '-o', 'pipefail', '-c', commands] as [string, ...string[]];
}
