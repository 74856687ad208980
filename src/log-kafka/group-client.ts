/**
 * The client's Consumer with two faults of its group membership removed, by overriding what it
 * leaves to subclasses (docs/decisions/010 says why its membership is used at all):
 *
 * - Its metadata fails as a whole for one partition without a leader, and with it heartbeats and
 *   rebalances. Here such a partition has the leader -1, and the rest is used.
 * - It waits for a frozen broker as long as a JoinGroup may take, and then asks the same one again.
 *   Here every other request has a short deadline, after which its connection is given up, and a
 *   broker is asked for news only after it has shown that it answers.
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

/** These may take as long as the other members need. */
const PATIENT = new Set(['JoinGroup', 'SyncGroup']);
const ANSWER_MS = 2500;
/** Of single partitions, not of the topic: those stay errors. */
const OF_PARTITION = /^\/topics\/\d+\/partitions\/\d+$/;

export class GroupClient extends Consumer {
  /** Brokers that did not answer lately are asked last. */
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
    const places = [...known, ...this[kOptions].bootstrapBrokers.map(placeOf)];
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
          // An error of the protocol is an answer as well.
          done(failure instanceof ResponseError ? null : failure),
        ),
      );
    });
  }
}

function placeOf(server: Broker | string): Broker {
  return typeof server === 'string' ? addressOf(server) : server;
}

/** The answer, where all that is wrong with it is partitions that nobody leads now. */
function toleratedAnswer(error: Error | null): unknown {
  if (!(error instanceof ResponseError)) return undefined;
  const isOfPartitions = error.errors.every((one) =>
    OF_PARTITION.test(String((one as { path?: unknown }).path)),
  );
  return isOfPartitions ? (error as { response?: unknown }).response : undefined;
}
