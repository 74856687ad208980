import { ConfigResourceTypes } from '@platformatic/kafka';
import type { KafkaCluster } from './cluster.ts';

const ANSWER_MS = 2000;
const LIMIT = 'max.message.bytes';

type DescribeConfigsAnswer = {
  readonly results: readonly {
    readonly errorCode: number;
    readonly configs: readonly { readonly name: string; readonly value?: string | null }[];
  }[];
};

/**
 * Reads the largest batch that the topic accepts, in bytes: its max.message.bytes, or the default
 * of the broker.
 * @returns null if this user may not read it, which needs DESCRIBE_CONFIGS on the topic.
 * @throws LOG_UNAVAILABLE if no broker answers.
 */
export async function readBatchBytesMax(cluster: KafkaCluster): Promise<number | null> {
  const resource = {
    resourceType: ConfigResourceTypes.TOPIC,
    resourceName: cluster.topic,
    configurationKeys: [LIMIT],
  };
  const request = {
    api: 'DescribeConfigs',
    args: () => [[resource], false, false],
    deadlineMs: ANSWER_MS,
  };
  return await cluster.callAny('metadata', request, ({ results }: DescribeConfigsAnswer) => {
    const value = results[0]?.configs.find(({ name }) => name === LIMIT)?.value;
    const bytes = Number(value ?? Number.NaN);
    return Number.isSafeInteger(bytes) ? bytes : null;
  });
}
