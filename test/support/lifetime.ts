/** What several tests of a file share, with an end of its own: it stands for a TestContext. */
import type { TestContext } from 'node:test';

export type Lifetime = TestContext & { readonly end: () => Promise<void> };

/** Ends in the opposite order of the beginnings. */
export function lifetime(): Lifetime {
  const ends: (() => unknown)[] = [];
  return {
    after: (end: () => unknown) => void ends.push(end),
    end: async () => {
      for (const end of ends.reverse()) await end();
    },
  } as unknown as Lifetime;
}
