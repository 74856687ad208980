/**
 * The client library's Consumer, with three faults of its group membership corrected by overriding
 * methods that it leaves to subclasses (docs/decisions/010 says why its membership is used at all):
 *
 * - If one partition has no leader, its metadata request fails completely, and heartbeats and
 *   rebalances fail with it. Here such a partition has the leader -1 and the rest is used.
 * - It waits for a frozen broker for as long as a JoinGroup may take, and then asks the same broker
 *   again. Here every request except JoinGroup and SyncGroup has a short deadline, after which its
 *   connection is closed. A broker is asked for metadata only after it has answered a small
 *   request.
 * - It sends heartbeats and commits while it joins. The broker handles the requests of a connection
 *   one after the other, so it answers these after the join, with an error because their generation is
 *   over. The library then joins once more, which begins a rebalance for all, and so on without end.
 *   Here nothing else is sent during a join, an error about an earlier generation is no error, and a
 *   failed commit is never a reason to join.
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
/** What a member sends now and then. A join makes it void. */
const OF_GENERATION = new Set(['Heartbeat', 'OffsetCommit']);
const ANSWER_MS = 2500;
/** Path of an error of a single partition. Errors of the whole topic stay errors. */
const OF_PARTITION = /^\/topics\/\d+\/partitions\/\d+$/;

export class GroupClient extends Consumer {
  /** When a broker last failed to answer. Such brokers are asked last. */
  readonly #silentSince = new Map<string, number>();
  /** How many requests of PATIENT are under way. */
  #joins = 0;

  override [kGetApi](name: string, callback: Callback<Any>): void {
    super[kGetApi](name, (error: Error | null, api?: Any) => {
      if (error !== null || api === undefined) callback(error);
      else callback(null, this.#bounded(name, api as Api));
    });
  }

  #bounded(name: string, api: Api): Api {
    const call = (connection: Connection, ...args: Any[]) => {
      const callback = args.pop() as Callback<Any>;
      if (OF_GENERATION.has(name)) this.#ofGeneration(name, connection, callback, api, args);
      else if (PATIENT.has(name)) this.#joining(connection, callback, api, args);
      else
        this.#withDeadline(connection, tolerating(name, callback), (done) =>
          api(connection, ...args, done),
        );
    };
    return Object.assign(call, { version: api.version });
  }

  #joining(connection: Connection, callback: Callback<Any>, api: Api, args: readonly Any[]): void {
    this.#joins++;
    api(connection, ...args, (error: Error | null, answer: Any) => {
      this.#joins--;
      callback(error, answer);
    });
  }

  #ofGeneration(
    name: string,
    connection: Connection,
    callback: Callback<Any>,
    api: Api,
    args: readonly Any[],
  ): void {
    const { generationId, memberId } = this;
    const isOver = () =>
      this.#joins > 0 || this.generationId !== generationId || this.memberId !== memberId;
    const end: Callback<Any> = (error, answer) => {
      if (!error) callback(null, answer);
      else if (name === 'OffsetCommit') callback(new NetworkError(error.message));
      else if (isOver()) callback(null, {});
      else callback(error);
    };
    const joining = new NetworkError('The group is being joined');
    if (this.#joins > 0) queueMicrotask(() => end(joining));
    else this.#withDeadline(connection, end, (done) => api(connection, ...args, done));
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

/** Metadata may lack the leader of a single partition. */
function tolerating(name: string, callback: Callback<Any>): Callback<Any> {
  if (name !== 'Metadata') return callback;
  return (error, given) => {
    const answer = toleratedAnswer(error);
    if (answer === undefined) callback(error, given);
    else callback(null, answer);
  };
}

/** The answer within the error, if its only errors are those of single partitions. */
function toleratedAnswer(error: Error | null): unknown {
  if (!(error instanceof ResponseError)) return undefined;
  const isOfPartitions = error.errors.every((one) =>
    OF_PARTITION.test(String((one as { path?: unknown }).path)),
  );
  return isOfPartitions ? (error as { response?: unknown }).response : undefined;
}
