/** The place of a record in a log. It is the key of every table that accounts for records. */
export type LogPlace = {
  readonly logId: number;
  readonly partition: number;
  readonly offset: number;
};

/** A partition of a log. */
export type LogPartition = { readonly logId: number; readonly partition: number };

export function isSamePlace(a: LogPlace, b: LogPlace): boolean {
  return a.logId === b.logId && a.partition === b.partition && a.offset === b.offset;
}

/** A place as operators read and type it: log/partition/offset. */
export function placeText({ logId, partition, offset }: LogPlace): string {
  return `${logId}/${partition}/${offset}`;
}

/** Reads such a text. @returns null if it is not a place. */
export function parsePlace(text: string): LogPlace | null {
  const match = /^(\d{1,9})\/(\d{1,9})\/(\d{1,15})$/.exec(text);
  if (match === null) return null;
  const [logId, partition, offset] = match.slice(1).map(Number) as [number, number, number];
  return { logId, partition, offset };
}
