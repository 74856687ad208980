/** One stream of server-sent events (HTML standard, section 9.2) over an answer that stays open. */
import type { ServerResponse } from 'node:http';

/** A client that does not read keeps at most this many bytes in memory; then its stream is cut. */
const UNREAD_BYTES_MAX = 1 << 20;

/** The stream to one client. */
export class SseStream {
  readonly #response: ServerResponse;
  readonly #onEnd: () => void;
  #isEnded = false;

  /** @param onEnd called once, when the client or this side has ended the stream. */
  constructor(
    response: ServerResponse,
    headers: Readonly<Record<string, string>>,
    onEnd: () => void,
  ) {
    this.#response = response;
    this.#onEnd = onEnd;
    response.writeHead(200, {
      ...headers,
      'Content-Type': 'text/event-stream; charset=utf-8',
      // nginx would collect the events in its buffer.
      'X-Accel-Buffering': 'no',
    });
    response.on('close', () => this.#close());
    response.on('error', () => this.#close());
    // The client may reconnect after this time.
    this.#write('retry: 2000\n\n');
  }

  /** Sends an event. JSON has no line feeds, so its data is one line. */
  send(event: string, id: number, data: unknown): void {
    this.#write(`event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** Sends a comment: proxies close connections on which nothing comes. */
  beat(): void {
    this.#write(': still here\n\n');
  }

  end(): void {
    if (!this.#isEnded) this.#response.end();
    this.#close();
  }

  #write(text: string): void {
    if (this.#isEnded) return;
    this.#response.write(text);
    if (this.#response.writableLength > UNREAD_BYTES_MAX) {
      this.#response.destroy();
      this.#close();
    }
  }

  #close(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#onEnd();
  }
}
