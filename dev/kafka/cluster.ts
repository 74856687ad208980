/**
 * Several KRaft brokers on this machine, each a controller too: replicas, leaders that move, and a
 * controller that fails over are real.
 */
import { join } from 'node:path';
import { Broker, randomClusterId } from './broker.ts';
import type { BrokerOptions } from './options.ts';

export class Cluster {
  readonly brokers: readonly Broker[];
  readonly bootstrap: string;

  private constructor(brokers: readonly Broker[]) {
    this.brokers = brokers;
    this.bootstrap = brokers.map((broker) => broker.bootstrap).join(',');
  }

  /**
   * @param ports one for each broker; its controller takes the one 10,000 above.
   * @param behind of each broker, where its other listener is, if it has one.
   */
  static async start(
    ports: readonly number[],
    folder: string,
    behind: readonly NonNullable<BrokerOptions['behind']>[] = [],
  ): Promise<Cluster> {
    const clusterId = randomClusterId();
    const brokers = ports.map((port, i) =>
      Broker.start({
        port,
        folder: join(folder, `broker-${i + 1}`),
        mode: 'kraft',
        member: { id: i + 1, ports, clusterId },
        ...(behind[i] === undefined ? {} : { behind: behind[i] }),
      }),
    );
    return new Cluster(await Promise.all(brokers));
  }

  /** By its id, from 1 on. */
  broker(id: number): Broker {
    const broker = this.brokers[id - 1];
    if (broker === undefined) throw new Error(`There is no broker ${id}`);
    return broker;
  }

  async stop(): Promise<void> {
    // All at once: one that is alone could not hand its partitions over, and would wait.
    await Promise.all(this.brokers.map((broker) => broker.stop()));
  }
}
