/**
 * One connection to one broker, with a deadline for each request. If a request is not answered in
 * time, the connection is closed and the next request opens a new one. Only the missing answer
 * shows that a broker is frozen, because it still accepts connections and bytes.
 *
 * The client library's codecs and its Connection implement the protocol. The version of each
 * request is negotiated once per connection, since brokers differ during a rolling upgrade
 * (KIP-35).
 */
import * as kafka from '@platformatic/kafka';
import { OrderonceError } from '../errors.ts';
import { type BrokerAddress, deepestReason, withWayOut } from './connection.ts';
import type { KafkaSecurity } from './security.ts';

/** A request of the Kafka protocol. */
export type Request = {
  /** Its name in the protocol: 'Produce', 'Fetch', 'Metadata' … */
  readonly api: string;
  /** Arguments of the codec of this version. Some requests have another form in older versions. */
  readonly args: (version: number) => readonly unknown[];
  /** Time from the call to the answer in ms, including the time to connect. */
  readonly deadlineMs: number;
};

// biome-ignore lint/suspicious/noExplicitAny: each API and version has a codec of its own type
type Codec = { (connection: kafka.Connection, ...args: any[]): void; readonly version: number };
type Versions = ReadonlyMap<string, { readonly min: number; readonly max: number }>;
type Ready = { readonly connection: kafka.Connection; readonly versions: Versions };

const CONNECT_MS = 2000;
/** The library's own timeout, which is never reached because each request has its own deadline. */
const CLIENT_TIMEOUT_MS = 600_000;
const CLIENT_NAME = 'orderonce';
const CLIENT_VERSION = '1';

export class KafkaLink {
  readonly address: BrokerAddress;
  readonly #clientId: string;
  readonly #security: KafkaSecurity;
  #ready: Promise<Ready> | undefined;
  #connection: kafka.Connection | undefined;
  #closed = false;

  constructor(address: BrokerAddress, clientId: string, security: KafkaSecurity) {
    this.address = address;
    this.#clientId = clientId;
    this.#security = security;
  }

  /**
   * Sends a request and waits for its answer.
   * @returns the answer. Errors of single topics or partitions stay in it for the caller to read,
   * so that one failing partition does not hide the answers for the others.
   * @throws LOG_UNAVAILABLE if the broker cannot be reached or does not answer in time. The broker
   * may still have executed the request.
   */
  async call<Answer>({ api, args, deadlineMs }: Request): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const timer = setTimeout(() => {
      reject(this.#unavailable(`does not answer ${api} within ${deadlineMs} ms`));
      this.drop();
    }, deadlineMs);
    this.#send<Answer>(api, args).then(resolve, reject);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  async #send<Answer>(api: string, args: Request['args']): Promise<Answer> {
    this.#ready ??= this.#connect();
    const { connection, versions } = await this.#ready;
    const codec = codecOf(api, versions);
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    codec(connection, ...args(codec.version), (error: Error | null, answer: Answer) => {
      const response = error === null ? answer : responseIn<Answer>(error);
      if (response !== undefined) resolve(response);
      else reject(this.#unavailable(`fails: ${error?.message}`, error));
    });
    return await promise;
  }

  async #connect(): Promise<Ready> {
    const connection = new kafka.Connection(this.#clientId, {
      ...this.#security,
      connectTimeout: CONNECT_MS,
      requestTimeout: CLIENT_TIMEOUT_MS,
    });
    this.#connection = connection;
    // Without a listener for 'error', a socket error would end the process.
    connection.on('error', () => this.#forget(connection));
    connection.once('close', () => this.#forget(connection));
    try {
      if (this.#closed) throw new Error('The client is closed');
      await connection.connect(this.address.host, this.address.port);
      return { connection, versions: await askVersions(connection) };
    } catch (error) {
      this.#forget(connection);
      destroy(connection);
      throw this.#unavailable(`cannot be reached: ${withWayOut(deepestReason(error))}`, error);
    }
  }

  #forget(connection: kafka.Connection): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#ready = undefined;
  }

  /** Closes the connection. Requests on it fail immediately; the next call opens a new one. */
  drop(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#forget(connection);
    destroy(connection);
  }

  close(): void {
    this.#closed = true;
    this.drop();
  }

  #unavailable(what: string, cause?: unknown): OrderonceError {
    const { host, port } = this.address;
    return new OrderonceError('LOG_UNAVAILABLE', `Kafka broker ${host}:${port} ${what}`, { cause });
  }
}

/**
 * close() ends the timers of the connection, but waits until the peer has received what was
 * written. A frozen peer never does, so the socket is destroyed as well.
 */
function destroy(connection: kafka.Connection): void {
  void connection.close().catch(() => {});
  connection.socket?.destroy();
}

/**
 * Asks with version 3 first (KIP-511). Brokers before Kafka 2.4 refuse it, but accept version 1.
 */
async function askVersions(connection: kafka.Connection): Promise<Versions> {
  let answer: Awaited<ReturnType<typeof kafka.apiVersionsV1.api.async>>;
  try {
    answer = await kafka.apiVersionsV3.api.async(connection, CLIENT_NAME, CLIENT_VERSION);
  } catch {
    answer = await kafka.apiVersionsV1.api.async(connection, CLIENT_NAME, CLIENT_VERSION);
  }
  return new Map(
    answer.apiKeys.map(({ name, minVersion: min, maxVersion: max }) => [name, { min, max }]),
  );
}

function codecOf(api: string, versions: Versions): Codec {
  const spoken = versions.get(api);
  const prefix = `${api[0]?.toLowerCase()}${api.slice(1)}V`;
  const codecs = kafka as unknown as Readonly<Record<string, { readonly api: Codec } | undefined>>;
  for (let version = spoken?.max ?? -1; version >= (spoken?.min ?? 0); version--) {
    const codec = codecs[`${prefix}${version}`];
    if (codec !== undefined) return codec.api;
  }
  const message = `The broker supports no version of the request ${api} that this client knows`;
  throw new OrderonceError('LOG_UNAVAILABLE', message);
}

/**
 * If parts of an answer have errors, the library rejects with an error that contains the answer.
 */
function responseIn<Answer>(error: Error): Answer | undefined {
  return error instanceof kafka.ResponseError
    ? (error as unknown as { readonly response?: Answer }).response
    : undefined;
}
