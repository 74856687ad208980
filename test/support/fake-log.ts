/** A log in memory. Each append waits until the test acknowledges it or lets it fail. */
import type { OrderonceError } from '../../src/errors.ts';
import type { AppendOutcome, AppendRecord, LogAppender } from '../../src/log/event-log.ts';

export type PendingAppend = {
  readonly values: readonly string[];
  readonly keys: readonly string[];
  acknowledge(): void;
  fail(error: Error): void;
};

export class FakeLog implements LogAppender {
  readonly topic: string;
  /** Appends that are not answered yet. */
  readonly pending: PendingAppend[] = [];
  /** The values of all appends, answered or not. */
  readonly appended: string[] = [];
  /** The headers of the same records, as text. */
  readonly headers: Readonly<Record<string, string>>[] = [];
  /** true: appends are acknowledged immediately. */
  isAutomatic = false;
  checkError: Error | null = null;
  /** The problems that check() returns. */
  found: string[] = [];
  /** The lane of a key is the number at its end, modulo this. */
  lanes = 1;
  refusal: OrderonceError | null = null;
  closed = false;
  #next = 0;
  readonly #underWay = new Set<number>();

  constructor(topic = 'order_events') {
    this.topic = topic;
  }

  laneOf(key: Buffer): number {
    return Number(/\d*$/.exec(key.toString())?.[0] ?? 0) % this.lanes;
  }

  isOverAfterCheck(): boolean {
    return false;
  }

  laneTrouble(): string | null {
    return null;
  }

  refusalOf(): OrderonceError | null {
    return this.refusal;
  }

  append(records: readonly AppendRecord[]): Promise<AppendOutcome[]> {
    const lane = this.laneOf(records[0]?.key ?? Buffer.alloc(0));
    if (this.#underWay.has(lane)) throw new Error('A second append while one is under way');
    this.#underWay.add(lane);
    const { promise, resolve, reject } = Promise.withResolvers<AppendOutcome[]>();
    const values = records.map(({ value }) => value?.toString() ?? '');
    this.appended.push(...values);
    for (const { headers = [] } of records) {
      const texts = headers.map(([name, value]) => [String(name), String(value)]);
      this.headers.push(Object.fromEntries(texts));
    }
    const settle = (act: () => void) => {
      this.#underWay.delete(lane);
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

  async check(): Promise<readonly string[]> {
    if (this.checkError !== null) throw this.checkError;
    return this.found;
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}
