/**
 * The client library's Consumer, with two faults of its group membership corrected by overriding
 * methods that it leaves to subclasses (docs/decisions/010 says why its membership is used at all):
 *
 * - If one partition has no leader, its metadata request fails completely, and heartbeats and
 *   rebalances fail with it. Here such a partition has the leader -1 and the rest is used.
 * - It waits for a frozen broker for as long as a JoinGroup may take, and then asks the same broker
 *   again. Here every request except JoinGroup and SyncGroup has a short deadline, after which its
 *   connection is closed. A broker is asked for metadata only after it has answered a small
 *   request.
 */
import {
  apiVersionsV3,
  type Broker,
  type Callback,
  type Connection,
  Consumer,
  kGetApi,
  kGetBootstrapConnection,
  kOptions,
  NetworkError,
  ResponseError,
} from '@platformatic/kafka';
import { addressOf } from './connection.ts';

// biome-ignore lint/suspicious/noExplicitAny: each API has arguments and an answer of its own
type Any = any;
type Api = { (connection: Connection, ...args: Any[]): void; readonly version: number };

/**
 * The broker answers these only when the other members have joined, so they have no short deadline.
 */
const PATIENT = new Set(['JoinGroup', 'SyncGroup']);
const ANSWER_MS = 2500;
/** Path of an error of a single partition. Errors of the whole topic stay errors. */
const OF_PARTITION = /^\/topics\/\d+\/partitions\/\d+$/;

export class GroupClient extends Consumer {
  /** When a broker last failed to answer. Such brokers are asked last. */
  readonly #silentSince = new Map<string, number>();

  override [kGetApi](name: string, callback: Callback<Any>): void {
    super[kGetApi](name, (error: Error | null, api?: Any) => {
      if (error !== null || api === undefined) callback(error);
      else callback(null, this.#bounded(name, api as Api));
    });
  }

  #bounded(name: string, api: Api): Api {
    const call = (connection: Connection, ...args: Any[]) => {
      const callback = args.pop() as Callback<Any>;
      const answer: Callback<Any> = (error, given) => {
        const tolerable = name === 'Metadata' ? toleratedAnswer(error) : undefined;
        if (tolerable === undefined) callback(error, given);
        else callback(null, tolerable);
      };
      if (PATIENT.has(name)) api(connection, ...args, answer);
      else this.#withDeadline(connection, answer, (done) => api(connection, ...args, done));
    };
    return Object.assign(call, { version: api.version });
  }

  #withDeadline(
    connection: Connection,
    callback: Callback<Any>,
    ask: (done: Callback<Any>) => void,
  ): void {
    let isOver = false;
    const place = `${connection.host}:${connection.port}`;
    const end: Callback<Any> = (error, answer) => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      callback(error, answer);
    };
    const timer = setTimeout(() => {
      this.#silentSince.set(place, performance.now());
      end(new NetworkError(`Kafka broker ${place} does not answer`));
      void connection.close().catch(() => {});
      connection.socket?.destroy();
    }, ANSWER_MS);
    ask(end);
  }

  override [kGetBootstrapConnection](callback: Callback<Connection>): void {
    const known = [...(this.currentMetadata?.brokers.values() ?? [])] as Broker[];
    const silence = ({ host, port }: Broker) => this.#silentSince.get(`${host}:${port}`) ?? 0;
    const places = [...known, ...this[kOptions].bootstrapBrokers.map(brokerAt)];
    this.#firstThatAnswers(
      places.toSorted((a, b) => silence(a) - silence(b)),
      callback,
    );
  }

  #firstThatAnswers([place, ...others]: readonly Broker[], callback: Callback<Connection>): void {
    if (place === undefined) {
      callback(new NetworkError('No Kafka broker answers'));
      return;
    }
    const next = (error: Error | null) => {
      if (others.length === 0) callback(error);
      else this.#firstThatAnswers(others, callback);
    };
    this.connections.get(place, (error, connection) => {
      if (error !== null || connection === undefined) {
        this.#silentSince.set(`${place.host}:${place.port}`, performance.now());
        next(error);
        return;
      }
      const answered: Callback<Any> = (failure) =>
        failure === null ? callback(null, connection) : next(failure);
      this.#withDeadline(connection, answered, (done) =>
        apiVersionsV3.api(connection, 'orderonce', '1', (failure) =>
          // A protocol error is an answer too: the broker is alive.
          done(failure instanceof ResponseError ? null : failure),
        ),
      );
    });
  }
}

function brokerAt(server: Broker | string): Broker {
  return typeof server === 'string' ? addressOf(server) : server;
}

/** The answer within the error, if its only errors are those of single partitions. */
function toleratedAnswer(error: Error | null): unknown {
  if (!(error instanceof ResponseError)) return undefined;
  const isOfPartitions = error.errors.every((one) =>
    OF_PARTITION.test(String((one as { path?: unknown }).path)),
  );
  return isOfPartitions ? (error as { response?: unknown }).response : undefined;
}
