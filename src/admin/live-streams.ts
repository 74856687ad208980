/**
 * All streams of this process. While there is one, the overview, the newest outcomes and the redrive
 * jobs are read once a second for all of them, from PostgreSQL: so that a stream shows what happens
 * in every process of the deployment.
 */
import type { FastifyReply } from 'fastify';
import { pause } from '../runtime/backoff.ts';
import type { JobFeed } from './job-feed.ts';
import type { NewOutcomes, OutcomeFeed } from './outcome-feed.ts';
import type { OverviewFeed } from './overview-feed.ts';
import { SseStream } from './sse.ts';

/** What a client may ask for. */
export type StreamKind = 'overview' | 'outcome' | 'redrive';

const STREAMS_MAX = 100;
const TURN_MS = 1000;
/** Reading takes at most this share of the time, however slow the database is. */
const DUTY = 0.25;
const BEAT_MS = 15_000;

type Client = {
  readonly stream: SseStream;
  readonly only: StreamKind | undefined;
  readonly mayRead: () => boolean;
};
type StreamWish = {
  readonly only?: StreamKind;
  readonly seconds?: number;
  readonly lastId: number | null;
  /** Asked every second: a key may be revoked while a stream is open. Default: it may. */
  readonly mayRead?: () => boolean;
};

/** What is read for the streams. */
export type LiveSources = {
  readonly overview: Pick<OverviewFeed, 'read'>;
  readonly outcomes: Pick<OutcomeFeed, 'begin' | 'next' | 'since'>;
  readonly jobs: Pick<JobFeed, 'open' | 'changed'>;
};

/** The streams, from the first open() to stop(). */
export class LiveStreams {
  readonly #sources: LiveSources;
  readonly #clients = new Set<Client>();
  readonly #stopping = new AbortController();
  #isRunning = false;
  /** Settles once the first turn has fixed from where on outcomes are new. */
  #firstTurn: Promise<void> | null = null;
  /** The last overview, to see whether it has changed; null before the first turn. */
  #overview: string | null = null;
  #beatAt = 0;
  /** The time of the newest read by PostgreSQL's clock: behind it a client can resume. */
  #id = 0;

  constructor(sources: LiveSources) {
    this.#sources = sources;
  }

  /** Why no further stream may be opened; null if one may. */
  get whyFull(): string | null {
    if (this.#stopping.signal.aborted) return 'This process is stopping. Connect again';
    if (this.#clients.size < STREAMS_MAX) return null;
    return `This process has ${STREAMS_MAX} streams already. Close one, or ask another consumer`;
  }

  /**
   * Answers with a stream, which stays open until the client goes or may no longer read, `seconds` have
   * passed, or stop().
   * The caller must have checked `whyFull`.
   * @param lastId the `id` behind which the client wants to resume; null if it has none.
   */
  open(reply: FastifyReply, { only, seconds, lastId, mayRead = () => true }: StreamWish): void {
    const headers = reply.getHeaders() as Record<string, string>;
    reply.hijack();
    const timer =
      seconds === undefined ? undefined : setTimeout(() => stream.end(), seconds * 1000);
    const onEnd = () => {
      clearTimeout(timer);
      this.#clients.delete(client);
    };
    const stream: SseStream = new SseStream(reply.raw, headers, onEnd);
    const client = { stream, only, mayRead };
    this.#clients.add(client);
    if (!this.#isRunning) void this.#run();
    void this.#greet(client, lastId);
  }

  /**
   * Sends what is known now, and what the client has missed. The first turn comes before: what
   * happened between the greeting and that turn would be in neither.
   */
  async #greet(client: Client, lastId: number | null): Promise<void> {
    await this.#firstTurn;
    const { overview, outcomes, jobs } = this.#sources;
    const wants = (kind: StreamKind) => client.only === undefined || client.only === kind;
    try {
      if (wants('outcome') && lastId !== null) {
        sendOutcomes(client.stream, await outcomes.since(lastId));
      }
      const id = Math.max(this.#id, lastId ?? 0);
      if (wants('redrive')) {
        for (const job of await jobs.open()) client.stream.send('redrive', id, job);
      }
    } catch {
      // PostgreSQL does not answer: the overview says so.
    }
    if (wants('overview')) client.stream.send('overview', this.#id, await overview.read());
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    this.#sources.outcomes.begin();
    this.#overview = null;
    this.#firstTurn = null;
    while (this.#clients.size > 0 && !this.#stopping.signal.aborted) {
      const began = performance.now();
      const turn = this.#turn().catch(() => {});
      this.#firstTurn ??= turn;
      await turn;
      const took = performance.now() - began;
      await pause(Math.max(TURN_MS - took, took / DUTY - took), this.#stopping.signal);
    }
    this.#isRunning = false;
  }

  async #turn(): Promise<void> {
    const { overview, outcomes, jobs } = this.#sources;
    for (const { stream, mayRead } of this.#clients) if (!mayRead()) stream.end();
    const now = Date.now();
    if (now - this.#beatAt >= BEAT_MS) {
      this.#beatAt = now;
      for (const { stream } of this.#clients) stream.beat();
    }
    // Outcomes come first: an id that a client has then stands for all outcomes before it.
    const fresh = await outcomes.next().catch(() => null);
    if (fresh !== null) this.#each('outcome', (stream) => sendOutcomes(stream, fresh));
    this.#id = fresh?.nowMs ?? this.#id;
    const seen = await overview.read();
    // What changes with the clock alone is no change.
    const { as_of: _, lag, ...rest } = seen;
    const text = JSON.stringify({ ...rest, records: lag.records });
    const isChanged = this.#overview !== null && text !== this.#overview;
    if (isChanged) this.#each('overview', (stream) => stream.send('overview', this.#id, seen));
    this.#overview = text;
    for (const job of await jobs.changed()) {
      this.#each('redrive', (stream) => stream.send('redrive', this.#id, job));
    }
  }

  #each(kind: StreamKind, send: (stream: SseStream) => void): void {
    for (const { stream, only } of this.#clients) {
      if (only === undefined || only === kind) send(stream);
    }
  }

  /** Ends all streams, so that the server can close. */
  stop(): void {
    this.#stopping.abort();
    for (const { stream } of this.#clients) stream.end();
  }
}

function sendOutcomes(stream: SseStream, { items, skipped }: NewOutcomes): void {
  items.forEach((item, index) => {
    stream.send('outcome', item.ms, { ...item.line, skipped: index === 0 ? skipped : 0 });
  });
}
