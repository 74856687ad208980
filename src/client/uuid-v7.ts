/**
 * UUID version 7 (RFC 9562, section 5.7): 48 bits of time in ms, then random bits. Ids that are
 * ordered by time keep PostgreSQL's index of event ids small in memory, where random ones do not.
 */

/** What the ids are made of. Tests replace it. */
export type UuidSource = {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Fills the array with random bytes. */
  readonly fill: (bytes: Uint8Array<ArrayBuffer>) => void;
};

const SYSTEM: UuidSource = {
  now: () => Date.now(),
  fill: (bytes) => {
    crypto.getRandomValues(bytes);
  },
};

/** The largest value of the 12 bits between version and variant, which count here. */
const COUNTER_MAX = 0xfff;

/**
 * @returns a function that makes ids in ascending order, also within a millisecond and when the clock
 * is set back. For this, the 12 bits after the version count (RFC 9562, section 6.2, method 1). The
 * counter starts at a random value below half of its range. If it overflows, the time in the id runs
 * ahead of the clock by a millisecond.
 */
export function createUuidV7({ now, fill }: UuidSource = SYSTEM): () => string {
  const bytes = new Uint8Array(16);
  let lastMs = -1;
  let counter = 0;
  return () => {
    fill(bytes);
    const ms = now();
    if (ms > lastMs) {
      lastMs = ms;
      counter = (((bytes[6] as number) & 0x07) << 8) | (bytes[7] as number);
    } else if (++counter > COUNTER_MAX) {
      lastMs++;
      counter = 0;
    }
    const time = lastMs.toString(16).padStart(12, '0');
    bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
    const rest = Array.from(bytes.subarray(8), (byte) => byte.toString(16).padStart(2, '0')).join(
      '',
    );
    const count = counter.toString(16).padStart(3, '0');
    return `${time.slice(0, 8)}-${time.slice(8)}-7${count}-${rest.slice(0, 4)}-${rest.slice(4)}`;
  };
}

/** @returns a new event_id. Make and store it yourself where a restart must send the same event. */
export const newEventId: () => string = createUuidV7();
