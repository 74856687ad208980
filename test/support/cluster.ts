/** A cluster of three brokers for one test file, and operations of a cluster's operator. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import {
  alterPartitionReassignmentsV0,
  Connection,
  createTopicsV7,
  describeQuorumV1,
  FindCoordinatorKeyTypes,
} from '@platformatic/kafka';
import { Cluster } from '../../dev/kafka/cluster.ts';
import { KafkaCluster } from '../../src/log-kafka/cluster.ts';
import { withAdmin } from './kafka.ts';
import { TcpProxy } from './tcp-proxy.ts';
import { until } from './until.ts';

const REQUEST_MS = 10_000;

/** A cluster that clients can also reach through proxies, one in front of each broker. */
export type OwnCluster = {
  readonly cluster: Cluster;
  /** In the order of the brokers: proxies[0] is that of broker 1. */
  readonly proxies: readonly TcpProxy[];
};

/** Starts a cluster, which stops after the suite. @param firstPort this port and the next five. */
export async function ownCluster(firstPort: number): Promise<OwnCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'orderonce-cluster-'));
  const ports = [firstPort, firstPort + 1, firstPort + 2];
  const behindProxy = ports.map((port) => port + ports.length);
  const proxies = await Promise.all(
    behindProxy.map((port) => TcpProxy.open({ host: '127.0.0.1', port })),
  );
  const behind = proxies.map((proxy, i) => ({
    port: behindProxy[i] as number,
    advertisedPort: proxy.port,
  }));
  const cluster = await Cluster.start(ports, folder, behind);
  after(async () => {
    await cluster.stop();
    for (const proxy of proxies) proxy.stop();
    await rm(folder, { recursive: true, force: true });
  });
  await untilBrokers(cluster, [1, 2, 3]);
  return { cluster, proxies };
}

/** Creates a topic. @param replicas the brokers of each partition, the preferred leader first. */
export async function createPlacedTopic(
  cluster: Cluster,
  name: string,
  replicas: readonly (readonly number[])[],
): Promise<void> {
  const assignments = replicas.map((brokerIds, partitionIndex) => ({
    partitionIndex,
    brokerIds: [...brokerIds],
  }));
  // If this were more than the number of replicas, every append would fail.
  const inSync = Math.min(2, ...replicas.map((brokers) => brokers.length));
  const configs = [{ name: 'min.insync.replicas', value: String(inSync) }];
  const topic = { name, numPartitions: -1, replicationFactor: -1, assignments, configs };
  await until(`${name} is created`, () =>
    onController(cluster, (connection) =>
      createTopicsV7.api.async(connection, [topic], REQUEST_MS, false),
    ),
  );
  await until(`${name} has the preferred leaders`, async () => {
    const leaders = await leadersOf(cluster, name);
    return leaders.every((leader, partition) => leader === replicas[partition]?.[0]);
  });
}

/** Moves a partition to replicas without its current leader. Resolves when one of them leads. */
export async function movePartition(
  cluster: Cluster,
  name: string,
  partitionIndex: number,
  replicas: readonly number[],
): Promise<void> {
  const partitions = [{ partitionIndex, replicas: [...replicas] }];
  await onController(cluster, (connection) =>
    alterPartitionReassignmentsV0.api.async(connection, REQUEST_MS, true, [{ name, partitions }]),
  );
  await until(`partition ${partitionIndex} is led by one of ${replicas}`, async () => {
    return replicas.includes((await leadersOf(cluster, name))[partitionIndex] ?? 0);
  });
}

/** The present leader of each partition; null if it has none. */
export async function leadersOf(cluster: Cluster, topic: string): Promise<(number | null)[]> {
  const view = new KafkaCluster({ bootstrapServers: cluster.bootstrap, topic, clientId: 'test' });
  try {
    return (await view.layout(0)).partitions.map(({ leader }) => leader);
  } finally {
    view.close();
  }
}

/** Resolves when every partition has this many replicas in sync. */
export async function untilInSync(
  cluster: Cluster,
  topic: string,
  replicas: number,
): Promise<void> {
  await until(`${replicas} replicas of ${topic} are in sync`, async () => {
    const { topics } = await withAdmin(
      (admin) => admin.metadata({ topics: [topic], forceUpdate: true }),
      cluster.bootstrap,
    );
    return topics.get(topic)?.partitions.every(({ isr }) => isr.length === replicas);
  });
}

export async function untilBrokers(cluster: Cluster, ids: readonly number[]): Promise<void> {
  await until(`brokers ${ids} are in the cluster`, async () => {
    const { brokers } = await withAdmin(
      (admin) => admin.metadata({ topics: [] }),
      cluster.bootstrap,
    );
    return ids.length === brokers.size && ids.every((id) => brokers.has(id));
  });
}

/** The broker that coordinates a consumer group. */
export async function coordinatorOf(cluster: Cluster, groupId: string): Promise<number> {
  const question = { keys: [groupId], keyType: FindCoordinatorKeyTypes.GROUP };
  return await until('the group has a coordinator', async () => {
    const [found] = await withAdmin((admin) => admin.findCoordinator(question), cluster.bootstrap);
    return found?.nodeId;
  });
}

/** The active controller. */
export async function controllerOf(cluster: Cluster): Promise<number> {
  const topics = [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }];
  return await until('there is a controller', () =>
    onAnyBroker(cluster, async (connection) => {
      const answer = await describeQuorumV1.api.async(connection, topics);
      return answer.topics[0]?.partitions[0]?.leaderId;
    }),
  );
}

async function onController<T>(cluster: Cluster, work: (connection: Connection) => Promise<T>) {
  return await onAnyBroker(cluster, work);
}

/**
 * Runs `work` on the first broker that answers. Brokers forward requests to the controller
 * (KIP-590).
 */
async function onAnyBroker<T>(
  cluster: Cluster,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  let failure: unknown;
  for (const broker of cluster.brokers) {
    const connection = new Connection('test', { connectTimeout: 2000, requestTimeout: REQUEST_MS });
    connection.on('error', () => {});
    try {
      await connection.connect('127.0.0.1', broker.port);
      return await work(connection);
    } catch (error) {
      failure = error;
    } finally {
      await connection.close().catch(() => {});
    }
  }
  throw failure;
}
