/**
 * Who leads which partition of a topic, and a way to each broker.
 *
 * The client's own metadata fails as a whole when one partition has no leader or the one broker
 * that it asks does not answer. Here a partition without a leader is a fact about that partition,
 * and several brokers are asked: the next one while the first is silent. What is known stays in use
 * while nobody answers: appends and fetches to brokers that work need no news.
 */
import { OrderonceError } from '../errors.ts';
import { addressOf, type BrokerAddress, clientOptions, type KafkaOptions } from './connection.ts';
import { KafkaLink, type Request } from './link.ts';
import { type MetadataAnswer, newerLayout, type TopicLayout, topicIn } from './topic-layout.ts';

const METADATA_MS = 2000;
/** So long a broker may be silent before the next one is asked as well. */
const HEDGE_MS = 300;
/** Questions for news come no more often than this, however many partitions want them. */
const REFRESH_LEAST_MS = 100;

export class KafkaCluster {
  readonly topic: string;
  readonly #clientId: string;
  readonly #security: NonNullable<KafkaOptions['security']>;
  readonly #bootstrap: readonly BrokerAddress[];
  /** By broker and purpose: requests on one connection are answered in order (KIP-219). */
  readonly #links = new Map<string, KafkaLink>();
  /** Brokers that did not answer lately are asked last. */
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
   * @param maxAgeMs 0 asks now. Otherwise an older answer is given at once, and renewed meanwhile.
   * @throws NOT_MIGRATED, LOG_UNAVAILABLE while nothing is known, or asked now and nobody answers.
   */
  async layout(maxAgeMs: number): Promise<TopicLayout> {
    const known = this.#layout;
    if (known === undefined || maxAgeMs === 0) return await this.refresh();
    if (performance.now() - this.#refreshedAt > maxAgeMs) this.refresh().catch(() => {});
    return known;
  }

  /** What was last heard, however old; undefined before the first answer. */
  get known(): TopicLayout | undefined {
    return this.#layout;
  }

  /** Why the last question was not answered by anybody, or null. */
  get trouble(): OrderonceError | null {
    return this.#trouble;
  }

  /** Asks anew; calls meanwhile share the answer, and calls right after it get it again. */
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
   * @param purpose names the connection; of each there is one per broker.
   * @throws LOG_UNAVAILABLE also where the broker is not known.
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
    const place = placeOf(address);
    try {
      const answer = await this.#linkTo(address, purpose).call<Answer>(request);
      this.#silentSince.delete(place);
      return answer;
    } catch (error) {
      this.#silentSince.set(place, performance.now());
      throw error;
    }
  }

  /** Gives up the connection of this purpose; what is under way on it fails at once. */
  drop(broker: number, purpose: string): void {
    const address = this.#layout?.brokers.get(broker);
    if (address !== undefined) this.#links.get(`${purpose} ${placeOf(address)}`)?.drop();
  }

  /**
   * Sends a request that any broker can answer: to one, and while that is silent to the next too.
   * @param read takes from an answer what is wanted, or throws: then the next broker is asked.
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

  /** All brokers known, those that answered last first. */
  #inOrderOfTrust(): BrokerAddress[] {
    const all = [...(this.#layout?.brokers.values() ?? []), ...this.#bootstrap];
    const unique = new Map(all.map((address) => [placeOf(address), address]));
    const silence = (address: BrokerAddress) => this.#silentSince.get(placeOf(address)) ?? 0;
    return [...unique.values()].sort((a, b) => silence(a) - silence(b));
  }

  #linkTo(address: BrokerAddress, purpose: string): KafkaLink {
    const key = `${purpose} ${placeOf(address)}`;
    const link = this.#links.get(key) ?? new KafkaLink(address, this.#clientId, this.#security);
    this.#links.set(key, link);
    return link;
  }

  /** Closes every connection at once; requests under way fail. */
  close(): void {
    for (const link of this.#links.values()) link.close();
  }
}

/** Never creates the topic: a typo must not make one with a single replica. */
function metadataRequest(topic: string): Request {
  return { api: 'Metadata', args: () => [[topic], false, false], deadlineMs: METADATA_MS };
}

/** That a topic does not exist, or may not be seen, says more than that a broker is silent. */
function moreTelling(one: unknown, other: unknown): unknown {
  const isTelling = one instanceof OrderonceError && one.code !== 'LOG_UNAVAILABLE';
  return one === undefined || !isTelling ? other : one;
}

function placeOf({ host, port }: BrokerAddress): string {
  return `${host}:${port}`;
}
