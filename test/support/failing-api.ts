/**
 * An ingest API that fails in the ways that a network, a proxy and a log can, as a script says: one
 * fault for each request, then none. Its log holds each append in order, with the exact bytes.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** `after` means that the events were appended, `before` that they were not. */
export const FAULTS = [
  'none',
  '500 before',
  '500 after',
  '502 after',
  '408',
  '429 seconds',
  '429 date',
  '503',
  '503 of a proxy, after',
  'cut before',
  'cut after',
  'cut in the head, after',
  'cut in the body, after',
  'hang before',
  'hang after',
  'slow',
  'append later',
  'some unknown',
  'some refused',
  'not JSON, after',
] as const;
export type Fault = (typeof FAULTS)[number];

export type Append = { readonly id: string; readonly order: string; readonly text: string };

/** An event of this user is answered 422. */
export const BAD_USER = 'bad';
/** How long `slow` and `append later` take, in ms. */
const LATE_MS = 40;

export class FailingApi {
  readonly #server: Server;
  readonly log: Append[] = [];
  readonly seen = new Map<Fault, number>();
  /** The most events of one request. */
  largest = 0;
  requests = 0;
  #script: Fault[] = [];
  readonly #late = new Set<Promise<void>>();

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(script: readonly Fault[] = []): Promise<FailingApi> {
    const api = new FailingApi();
    api.#script = [...script];
    await new Promise<void>((done) => api.#server.listen(0, '127.0.0.1', done));
    return api;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Waits for appends that come after the answer, then closes all connections. */
  async stop(): Promise<void> {
    await Promise.all(this.#late);
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => {});
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk);
    } catch {
      return; // The client gave up.
    }
    this.requests++;
    const fault = this.#script.shift() ?? 'none';
    this.seen.set(fault, (this.seen.get(fault) ?? 0) + 1);
    const isBatch = request.url === '/events/batch';
    const body = Buffer.concat(chunks).toString();
    const texts = isBatch ? body.split('\n').filter((line) => line !== '') : [body];
    this.largest = Math.max(this.largest, texts.length);
    const judged = texts.map((text) => this.#judge(text));
    await this.#play(fault, judged, isBatch, response);
  }

  #judge(text: string): Judged {
    const { event_id: id, order_id: order, user_id: user } = JSON.parse(text);
    return { id, order, text, status: user === BAD_USER ? 'rejected' : 'accepted' };
  }

  #append(judged: readonly Judged[]): void {
    for (const { id, order, text, status } of judged) {
      if (status === 'accepted') this.log.push({ id, order, text });
    }
  }

  async #play(fault: Fault, judged: Judged[], isBatch: boolean, to: ServerResponse) {
    if (fault === 'append later') {
      this.#later(() => this.#append(judged));
      return void to.destroy();
    }
    if (fault === 'some unknown' || fault === 'some refused') spoil(judged, fault);
    const isBefore = /before|429|408|^503$/.test(fault);
    if (!isBefore) this.#append(judged);
    if (fault.startsWith('hang')) return;
    if (fault.startsWith('cut before') || fault === 'cut after') return void to.destroy();
    if (fault === 'slow') await new Promise((done) => setTimeout(done, LATE_MS));
    if (/^\d/.test(fault)) return this.#sendError(fault, to);
    const { status, text } = isBatch ? batchAnswer(judged) : eventAnswer(judged[0] as Judged);
    if (fault === 'cut in the head, after') {
      to.socket?.write(`HTTP/1.1 ${status} X\r\nContent-Type: appl`, () => to.destroy());
      return;
    }
    to.statusCode = status;
    to.setHeader('content-type', 'application/json');
    to.setHeader('orderonce-request-id', `r${this.requests}`);
    if (fault === 'cut in the body, after') {
      to.setHeader('content-length', Buffer.byteLength(text));
      to.write(text.slice(0, text.length / 2), () => to.destroy());
      return;
    }
    if (fault === 'not JSON, after') {
      to.statusCode = 502;
      return void to.end('<html>Bad Gateway</html>');
    }
    if (status === 202 && !isBatch) {
      to.setHeader('location', `http://status/events/${judged[0]?.id}`);
      to.setHeader('orderonce-topic', 'order_events');
      to.setHeader('orderonce-partition', 0);
      to.setHeader('orderonce-offset', this.log.length - 1);
    }
    to.end(text);
  }

  #sendError(fault: Fault, to: ServerResponse): void {
    to.statusCode = Number(fault.slice(0, 3));
    if (fault === '429 seconds') to.setHeader('retry-after', '0');
    if (fault === '429 date') to.setHeader('retry-after', new Date().toUTCString());
    if (fault === '503') to.setHeader('orderonce-request-id', `r${this.requests}`);
    to.end('{"detail":"made to fail"}');
  }

  #later(work: () => void): void {
    const late = new Promise<void>((done) => setTimeout(done, LATE_MS)).then(work);
    this.#late.add(late);
    void late.then(() => this.#late.delete(late));
  }
}

type Judged = Append & { status: 'accepted' | 'rejected' | 'unknown' | 'refused' };

/**
 * As the API does it: of each order that has an event whose outcome is unknown, no later one is sent.
 * After a refusal everything is refused.
 */
function spoil(judged: Judged[], fault: 'some unknown' | 'some refused'): void {
  const unsure = new Set<string>();
  for (const [index, one] of judged.entries()) {
    if (one.status === 'rejected') continue;
    if (fault === 'some refused') {
      if (index >= judged.length / 2) one.status = 'refused';
    } else if (index % 3 === 1 || unsure.has(one.order)) {
      one.status = 'unknown';
      unsure.add(one.order);
    }
  }
}

function eventAnswer({ id, status }: Judged): { status: number; text: string } {
  const text = JSON.stringify({ status: 'accepted', event_id: id.toLowerCase() });
  if (status === 'accepted') return { status: 202, text };
  const detail = JSON.stringify({ detail: [{ type: 'made_up', msg: 'A bad user' }] });
  return { status: status === 'rejected' ? 422 : status === 'unknown' ? 500 : 503, text: detail };
}

function batchAnswer(judged: readonly Judged[]): { status: number; text: string } {
  const results = judged.map(({ id, status }, index) => {
    if (status === 'rejected') return { index, status, detail: [{ type: 'made_up' }] };
    const place = status === 'accepted' ? { partition: 0, offset: index } : {};
    return { index, event_id: id.toLowerCase(), status, ...place };
  });
  const has = (wanted: Judged['status']) => judged.some(({ status }) => status === wanted);
  const status = has('unknown') ? 500 : has('refused') ? 503 : has('accepted') ? 202 : 422;
  return { status, text: JSON.stringify({ results }) };
}
