/** A log in memory whose every append waits for the test's word. */
import type { AppendRecord, LogAppender, LogPosition } from '../../src/log/event-log.ts';

export type PendingAppend = {
  readonly values: readonly string[];
  readonly keys: readonly string[];
  acknowledge(): void;
  fail(error: Error): void;
};

export class FakeLog implements LogAppender {
  readonly topic: string;
  /** Appends that wait, and all that ever came. */
  readonly pending: PendingAppend[] = [];
  readonly appended: string[] = [];
  /** Set: appends are answered at once. */
  isAutomatic = false;
  checkError: Error | null = null;
  closed = false;
  #next = 0;
  #underWay = 0;

  constructor(topic = 'order_events') {
    this.topic = topic;
  }

  append(records: readonly AppendRecord[]): Promise<LogPosition[]> {
    if (++this.#underWay > 1) throw new Error('A second append while one is under way');
    const { promise, resolve, reject } = Promise.withResolvers<LogPosition[]>();
    const values = records.map(({ value }) => value?.toString() ?? '');
    this.appended.push(...values);
    const settle = (act: () => void) => {
      this.#underWay--;
      this.pending.splice(this.pending.indexOf(append), 1);
      act();
    };
    const append = {
      values,
      keys: records.map(({ key }) => key.toString()),
      acknowledge: () =>
        settle(() => resolve(records.map(() => ({ partition: 3, offset: this.#next++ })))),
      fail: (error: Error) => settle(() => reject(error)),
    };
    this.pending.push(append);
    if (this.isAutomatic) append.acknowledge();
    return promise;
  }

  async check(): Promise<void> {
    if (this.checkError !== null) throw this.checkError;
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}
