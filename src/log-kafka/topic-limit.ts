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
 * The largest batch that the topic takes, in bytes (its max.message.bytes, or the broker's default).
 * @returns null where this user may not know it: that needs DESCRIBE_CONFIGS on the topic.
 * @throws LOG_UNAVAILABLE
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
