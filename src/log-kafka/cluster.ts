/**
 * Knows which broker leads which partition of a topic, and keeps connections to the brokers.
 *
 * The client library's own metadata request fails completely if one partition has no leader, or if
 * the one broker that it asks does not answer. Here a partition without a leader affects only that
 * partition, and if a broker is silent the next one is asked as well. While no broker answers, the
 * last known layout stays in use: appends and fetches to working brokers need no new one.
 */
import { OrderonceError } from '../errors.ts';
import { addressOf, type BrokerAddress, clientOptions, type KafkaOptions } from './connection.ts';
import { KafkaLink, type Request } from './link.ts';
import { type MetadataAnswer, newerLayout, type TopicLayout, topicIn } from './topic-layout.ts';

const METADATA_MS = 2000;
/** How long to wait for a broker before the next one is asked as well. */
const HEDGE_MS = 300;
/** The shortest time between two metadata requests, however many partitions ask for one. */
const REFRESH_LEAST_MS = 100;

export class KafkaCluster {
  readonly topic: string;
  readonly #clientId: string;
  readonly #security: NonNullable<KafkaOptions['security']>;
  readonly #bootstrap: readonly BrokerAddress[];
  /**
   * By broker and purpose. A broker processes the requests of one connection in order (Kafka
   * protocol guide, Network), so a long request must not share its connection with others.
   */
  readonly #links = new Map<string, KafkaLink>();
  /** When a broker last failed to answer. Such brokers are asked last. */
  readonly #silentSince = new Map<string, number>();
  #layout: TopicLayout | undefined;
  #refreshedAt = Number.NEGATIVE_INFINITY;
  #refreshing: Promise<TopicLayout> | undefined;
  #trouble: OrderonceError | null = null;

  constructor(options: KafkaOptions) {
    this.topic = options.topic;
    this.#clientId = options.clientId;
    this.#security = options.security ?? {};
    this.#bootstrap = clientOptions(options).bootstrapBrokers.map(addressOf);
  }

  /**
   * The partitions of the topic and their leaders.
   * @param maxAgeMs 0 asks the brokers and waits. Otherwise the known layout is returned without
   * waiting; if it is older than this, it is refreshed in the background.
   * @throws NOT_MIGRATED or LOG_UNAVAILABLE if no layout is known, or `maxAgeMs` is 0, and the
   * brokers do not provide one.
   */
  async layout(maxAgeMs: number): Promise<TopicLayout> {
    const known = this.#layout;
    if (known === undefined || maxAgeMs === 0) return await this.refresh();
    if (performance.now() - this.#refreshedAt > maxAgeMs) this.refresh().catch(() => {});
    return known;
  }

  /** The last known layout, however old; undefined before the first answer. */
  get known(): TopicLayout | undefined {
    return this.#layout;
  }

  /** Why the last metadata request failed, or null if it succeeded. */
  get trouble(): OrderonceError | null {
    return this.#trouble;
  }

  /**
   * Asks the brokers for the layout. Concurrent calls share one request, and calls within
   * REFRESH_LEAST_MS after it get the same answer.
   */
  async refresh(): Promise<TopicLayout> {
    if (this.#refreshing !== undefined) return await this.#refreshing;
    const isFresh = performance.now() - this.#refreshedAt < REFRESH_LEAST_MS;
    if (isFresh && this.#layout !== undefined) return this.#layout;
    this.#refreshing = this.#askLayout();
    try {
      return await this.#refreshing;
    } finally {
      this.#refreshing = undefined;
    }
  }

  async #askLayout(): Promise<TopicLayout> {
    try {
      const answer = await this.callAny('metadata', metadataRequest(this.topic), (given) =>
        topicIn(given as MetadataAnswer, this.topic),
      );
      this.#layout = newerLayout(this.#layout, answer);
      this.#refreshedAt = performance.now();
      this.#trouble = null;
      return this.#layout;
    } catch (error) {
      this.#trouble = error as OrderonceError;
      throw error;
    }
  }

  /**
   * Sends a request to one broker.
   * @param purpose names the connection: each broker has one connection per purpose.
   * @throws LOG_UNAVAILABLE if the broker is not known or does not answer.
   */
  async call<Answer>(broker: number, purpose: string, request: Request): Promise<Answer> {
    const address = this.#layout?.brokers.get(broker);
    if (address === undefined) {
      throw new OrderonceError(
        'LOG_UNAVAILABLE',
        `Kafka broker ${broker} is not in the cluster now`,
      );
    }
    return await this.#callAt(address, purpose, request);
  }

  async #callAt<Answer>(address: BrokerAddress, purpose: string, request: Request) {
    const place = hostAndPort(address);
    try {
      const answer = await this.#linkTo(address, purpose).call<Answer>(request);
      this.#silentSince.delete(place);
      return answer;
    } catch (error) {
      this.#silentSince.set(place, performance.now());
      throw error;
    }
  }

  /** Closes the connection of this purpose. Requests on it fail immediately. */
  drop(broker: number, purpose: string): void {
    const address = this.#layout?.brokers.get(broker);
    if (address !== undefined) this.#links.get(`${purpose} ${hostAndPort(address)}`)?.drop();
  }

  /**
   * Sends a request that any broker can answer: to one broker, and if that is silent for HEDGE_MS
   * to the next one too. Returns the first usable answer.
   * @param read extracts the result from an answer. If it throws, another broker must answer.
   * @throws the most informative error if all brokers fail.
   */
  async callAny<Answer, Wanted>(
    purpose: string,
    request: Request,
    read: (answer: Answer) => Wanted,
  ): Promise<Wanted> {
    const { promise, resolve, reject } = Promise.withResolvers<Wanted>();
    const places = this.#inOrderOfTrust();
    let open = places.length;
    let isSettled = false;
    let worst: unknown;
    const ask = async (address: BrokerAddress) => {
      try {
        resolve(read(await this.#callAt<Answer>(address, purpose, request)));
        isSettled = true;
      } catch (error) {
        worst = moreTelling(worst, error);
        if (--open === 0) reject(worst);
      }
    };
    void (async () => {
      for (const address of places) {
        if (isSettled) return;
        const { promise: silence, resolve: over } = Promise.withResolvers<void>();
        const timer = setTimeout(over, HEDGE_MS);
        await Promise.race([ask(address), silence]);
        clearTimeout(timer);
      }
    })();
    return await promise;
  }

  /** All known brokers; those that failed to answer come last, the latest failure at the end. */
  #inOrderOfTrust(): BrokerAddress[] {
    const all = [...(this.#layout?.brokers.values() ?? []), ...this.#bootstrap];
    const unique = new Map(all.map((address) => [hostAndPort(address), address]));
    const silence = (address: BrokerAddress) => this.#silentSince.get(hostAndPort(address)) ?? 0;
    return [...unique.values()].sort((a, b) => silence(a) - silence(b));
  }

  #linkTo(address: BrokerAddress, purpose: string): KafkaLink {
    const key = `${purpose} ${hostAndPort(address)}`;
    const link = this.#links.get(key) ?? new KafkaLink(address, this.#clientId, this.#security);
    this.#links.set(key, link);
    return link;
  }

  /** Closes every connection immediately. Running requests fail. */
  close(): void {
    for (const link of this.#links.values()) link.close();
  }
}

/** Never creates the topic: a misspelled name must not create one with a single replica. */
function metadataRequest(topic: string): Request {
  return { api: 'Metadata', args: () => [[topic], false, false], deadlineMs: METADATA_MS };
}

/**
 * An error about the topic (it does not exist) says more than the error that a broker is silent.
 */
function moreTelling(one: unknown, other: unknown): unknown {
  const isTelling = one instanceof OrderonceError && one.code !== 'LOG_UNAVAILABLE';
  return one === undefined || !isTelling ? other : one;
}

function hostAndPort({ host, port }: BrokerAddress): string {
  return `${host}:${port}`;
}
