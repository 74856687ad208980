/** The client against a real HTTP server that fails in every way: nothing is lost, changed or moved. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { wireEvent } from '../../test/support/events.ts';
import {
  type Append,
  BAD_USER,
  FAULTS,
  FailingApi,
  type Fault,
} from '../../test/support/failing-api.ts';
import {
  type ClientOptions,
  createClient,
  type NewEvent,
  Rejected,
  type Verdict,
} from './index.ts';

const QUICK: Omit<ClientOptions, 'url'> = {
  deadlineMs: 60_000,
  attemptTimeoutMs: 150,
  backoff: { firstMs: 1, mostMs: 8 },
};

/** Printed with each run: `SEED=… node --test src/client/client.test.ts` repeats it. */
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const SETTINGS = { seed: SEED, numRuns: 30, endOnFailure: true };

/** Some events of few orders, so that each order has several; some of them bad, some without an id. */
const events = fc
  .array(
    fc.record({
      order: fc.integer({ min: 0, max: 3 }),
      isBad: fc.boolean(),
      hasId: fc.boolean(),
    }),
    { minLength: 1, maxLength: 40 },
  )
  .map((given) =>
    given.map(({ order, isBad, hasId }, index): NewEvent => {
      const { event_id, ...rest } = wireEvent({
        order_id: `0b9d5c6e-3a48-4b0e-8f8e-6a1d2c3b4e5${order}`,
        user_id: isBad && index % 4 === 0 ? BAD_USER : `user-${index}`,
      });
      return hasId ? { event_id, ...rest } : rest;
    }),
  );
const script = fc.array(fc.constantFrom(...FAULTS), { maxLength: 12 });

const FIXED: NewEvent[] = Array.from({ length: 30 }, (_, index) =>
  wireEvent({ order_id: `0b9d5c6e-3a48-4b0e-8f8e-6a1d2c3b4e5${index % 3}` }),
);

/**
 * A fetch that notes in `resent` what is sent again after the client has read its rejection. It looks
 * from the client's side: a server cannot know whether an answer arrived before the client's time-out.
 */
function watchedFetch(resent: string[]): typeof fetch {
  const rejected = new Set<string>();
  const textsOf = (init?: RequestInit) =>
    new TextDecoder()
      .decode(init?.body as Uint8Array)
      .trimEnd()
      .split('\n');
  return async (input, init) => {
    const texts = textsOf(init);
    resent.push(...texts.filter((text) => rejected.has(text)));
    const answer = await fetch(input, init);
    const { status, headers } = answer;
    // An answer that broke off is passed on: the client meets the same error.
    const body = await answer.text().catch(() => null);
    if (body === null) return answer;
    const results: { status: string }[] = /^{"results"/.test(body) ? JSON.parse(body).results : [];
    for (const [i, one] of results.entries()) {
      if (one.status === 'rejected') rejected.add(texts[i] as string);
    }
    if (status === 422 && results.length === 0) rejected.add(texts[0] as string);
    return new Response(body, { status, headers });
  };
}

/** What holds for every log, whatever failed. */
function checkLog(api: FailingApi, accepted: readonly Append[]): void {
  const texts = new Map<string, Set<string>>();
  const firsts = new Map<string, string[]>();
  for (const { id, order, text } of api.log) {
    if (!texts.has(id)) firsts.set(order, [...(firsts.get(order) ?? []), id]);
    texts.set(id, (texts.get(id) ?? new Set()).add(text));
  }
  for (const [id, copies] of texts)
    assert.equal(copies.size, 1, `all copies of ${id} are the same`);
  for (const { id } of accepted) assert.ok(texts.has(id), `${id} was accepted and is in the log`);
  const orders = Map.groupBy(accepted, ({ order }) => order);
  const expected = new Map([...orders].map(([order, own]) => [order, own.map(({ id }) => id)]));
  assert.deepEqual(
    firsts,
    expected,
    'first appends keep the sequence of each order, and no other is there',
  );
}

describe('A client in front of an API that fails', () => {
  it('send: one event after the other is accepted or rejected, each with its own bytes', async (t) => {
    t.diagnostic(`seed ${SEED}`);
    await fc.assert(
      fc.asyncProperty(events, script, async (given, faults) => {
        const resent: string[] = [];
        const api = await FailingApi.start(faults);
        const client = createClient({ url: api.url, fetch: watchedFetch(resent), ...QUICK });
        const accepted: Append[] = [];
        try {
          for (const event of given) {
            try {
              const { event_id: id } = await client.send(event);
              accepted.push({ id, order: event.order_id, text: '' });
              assert.equal(id, event.event_id ?? id);
              assert.notEqual(event.user_id, BAD_USER);
            } catch (error) {
              assert.ok(error instanceof Rejected, String(error));
              assert.equal(error.event?.user_id, BAD_USER);
              assert.deepEqual(error.detail, [{ type: 'made_up', msg: 'A bad user' }]);
            }
          }
        } finally {
          await api.stop();
        }
        checkLog(api, accepted);
        assert.deepEqual(resent, [], 'what was rejected is not sent again');
      }),
      { ...SETTINGS, examples: [[FIXED, [...FAULTS]]] },
    );
  });

  it('sendMany: one verdict for each event, in the given sequence, whatever the batches', async (t) => {
    t.diagnostic(`seed ${SEED}`);
    const seen = new Map<Fault, number>();
    const size = fc.integer({ min: 1, max: 10 });
    await fc.assert(
      fc.asyncProperty(
        events,
        script,
        size,
        fc.boolean(),
        async (given, faults, batchMax, isAsync) => {
          const resent: string[] = [];
          const api = await FailingApi.start(faults);
          const client = createClient({ url: api.url, fetch: watchedFetch(resent), ...QUICK });
          const verdicts: Verdict[] = [];
          try {
            const source = isAsync ? slowly(given) : given;
            for await (const verdict of client.sendMany(source, { batchMax }))
              verdicts.push(verdict);
          } finally {
            await api.stop();
          }
          assert.deepEqual(
            verdicts.map(({ index }) => index),
            [...given.keys()],
          );
          for (const { index, status, event } of verdicts) {
            const { event_id: id = event.event_id, ...rest } = given[index] as NewEvent;
            assert.deepEqual(event, { ...rest, event_id: id });
            assert.equal(status, event.user_id === BAD_USER ? 'rejected' : 'accepted');
          }
          assert.ok(api.largest <= batchMax);
          assert.deepEqual(resent, [], 'what was rejected is not sent again');
          const accepted = verdicts.filter(({ status }) => status === 'accepted');
          checkLog(
            api,
            accepted.map(({ event }) => ({ id: event.event_id, order: event.order_id, text: '' })),
          );
          for (const [fault, count] of api.seen) seen.set(fault, (seen.get(fault) ?? 0) + count);
        },
      ),
      { ...SETTINGS, examples: [[FIXED, [...FAULTS], 2, true]] },
    );
    assert.deepEqual([...seen.keys()].sort(), [...FAULTS].sort(), 'every fault was played');
  });
});

/** An async source: some events are ready immediately, others only later. */
async function* slowly(given: readonly NewEvent[]) {
  for (const [index, event] of given.entries()) {
    if (index % 7 === 3) await new Promise((done) => setTimeout(done, index % 2 === 0 ? 1 : 9));
    yield event;
  }
}
