import { murmur2 } from '@platformatic/kafka';

/**
 * The partition of a key as Kafka's Java client computes it (toPositive(murmur2(key)) % n), so that
 * every client of the topic agrees. Golden vectors from the Java client hold it.
 */
export function partitionOf(key: Buffer, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}
