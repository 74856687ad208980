import { murmur2 } from '@platformatic/kafka';

/**
 * The partition of a key as Kafka's Java client computes it (toPositive(murmur2(key)) % n), so that
 * every client of the topic chooses the same one. A test compares it with results of the Java
 * client.
 */
export function partitionOf(key: Buffer, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}
