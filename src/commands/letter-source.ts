/** Where the commands read dead letters: from PostgreSQL, or with --url from a consumer. */
import { deadLetterLine, deadLetterPage } from '../admin/dead-letter-answer.ts';
import { groupDeadLetters } from '../store/dead-letter-choice.ts';
import {
  type DeadLetterFilter,
  findDeadLetter,
  listDeadLetters,
  readAudit,
} from '../store/dead-letter-queue.ts';
import { type LogPlace, placeText } from '../store/log-place.ts';
import type { Pool } from '../store/pool.ts';
import type { ConsumerApi } from './consumer-api.ts';

export type LetterLine = ReturnType<typeof deadLetterLine>;
export type LetterPage = ReturnType<typeof deadLetterPage>;
export type LetterGroup = {
  readonly count: number;
  readonly state: string;
  readonly reason: string;
  readonly sqlstate: string | null;
  /** Null for keys that may not see it; so are other parts of a dead letter. */
  readonly shape: string | null;
  readonly example: string;
};

/** Both sources give what the HTTP API answers. */
export type LetterSource = {
  /** In log order. */
  readonly list: (filter: DeadLetterFilter) => Promise<readonly LetterLine[]>;
  readonly groups: () => Promise<readonly LetterGroup[]>;
  /** Null if there is none; from a consumer it throws NOTHING_MATCHES where there never was one. */
  readonly show: (place: LogPlace) => Promise<LetterPage | null>;
  readonly audit: (place: LogPlace) => Promise<readonly object[]>;
};

export function lettersOfDatabase(pool: Pool): LetterSource {
  return {
    list: async (filter) => (await listDeadLetters(pool, filter)).map(deadLetterLine),
    groups: async () => {
      const { items } = await groupDeadLetters(pool);
      return items.map((group) => ({ ...group, example: placeText(group.example) }));
    },
    show: async (place) => {
      const letter = await findDeadLetter(pool, place);
      return letter && deadLetterPage(letter);
    },
    audit: async (place) => await readAudit(pool, place),
  };
}

/** The longest page that the API answers. */
const PAGE_MAX = 1000;

export function lettersOfConsumer(api: ConsumerApi): LetterSource {
  type Audited = { readonly audit: readonly object[] };
  type Shown = Audited & (LetterPage | { readonly state: 'gone' });
  const read = (place: LogPlace) => api.get<Shown>(`/dead-letters/${placeText(place)}`);
  return {
    list: async (filter) => {
      const lines: LetterLine[] = [];
      let after = filter.after && placeText(filter.after);
      while (lines.length < filter.limit) {
        const limit = Math.min(filter.limit - lines.length, PAGE_MAX);
        const query = queryOf({ ...filter, after, limit });
        const page = await api.get<Page>(`/dead-letters?${query}`);
        lines.push(...page.items);
        if (page.next === null) break;
        after = page.next;
      }
      return lines;
    },
    groups: async () =>
      (await api.get<{ items: readonly LetterGroup[] }>('/dead-letters/groups')).items,
    show: async (place) => {
      const { audit: _, ...letter } = await read(place);
      return letter.state === 'gone' ? null : (letter as LetterPage);
    },
    audit: async (place) => (await read(place)).audit,
  };
}

type Page = { readonly items: readonly LetterLine[]; readonly next: string | null };

function queryOf({
  state,
  reason,
  eventId,
  orderId,
  after,
  limit,
}: Omit<DeadLetterFilter, 'after'> & { readonly after: string | undefined }): URLSearchParams {
  const named = { state, reason, event_id: eventId, order_id: orderId, after };
  const given = Object.entries(named).filter((entry): entry is [string, string] => !!entry[1]);
  return new URLSearchParams([['sort', 'place'], ['limit', String(limit)], ...given]);
}
