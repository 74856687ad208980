/** How many later events are tried and rolled back. */
const WITNESSES_MAX = 3;

/**
 * Chooses the witnesses: events that are tried to see whether others than the failing one succeed.
 * They are the next event and two random ones. Random ones, because bad events often come in a row,
 * and because a process that died of a witness would otherwise try the same ones after each
 * restart.
 * @param later the events behind the failing one, in log order.
 */
export function witnessesOf<T>(later: readonly T[], random: () => number = Math.random): T[] {
  const left = later.slice(1);
  const chosen = later.slice(0, 1);
  while (chosen.length < WITNESSES_MAX && left.length > 0) {
    chosen.push(...left.splice(Math.trunc(random() * left.length), 1));
  }
  return chosen;
}
