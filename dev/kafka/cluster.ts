/**
 * Several KRaft brokers on this machine, each of them also a controller, to test replication, new
 * leaders and the failover of the controller.
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
   * @param ports one for each broker. Its controller listens on that port plus 10,000.
   * @param behind for each broker, its other listener; see BrokerOptions.
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

  /** The broker with this id; ids begin with 1. */
  broker(id: number): Broker {
    const broker = this.brokers[id - 1];
    if (broker === undefined) throw new Error(`There is no broker ${id}`);
    return broker;
  }

  async stop(): Promise<void> {
    // All at the same time: the last one could not hand over its partitions, and would wait.
    await Promise.all(this.brokers.map((broker) => broker.stop()));
  }
}
