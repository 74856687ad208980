/** Reads server-sent events (HTML standard, section 9.2.6) from the body of an answer. */

export type SseEvent = {
  readonly event: string;
  readonly id: string | null;
  readonly data: string;
};

/** An event that is longer is not one of ours. */
const CHARS_MAX = 8 << 20;

/**
 * The events, in order, without comments. It ends with the body.
 * @throws Error if an event is longer than CHARS_MAX characters; what reading the body throws.
 */
export async function* sseEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<SseEvent> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true }).replaceAll('\r', '');
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    if (text.length > CHARS_MAX) throw new Error('An event of the stream does not end');
    for (const block of blocks) {
      const event = eventIn(block);
      if (event !== null) yield event;
    }
  }
}

/** @returns null if it has no data, such as a comment. */
function eventIn(block: string): SseEvent | null {
  const fields = new Map<string, string>();
  for (const line of block.split('\n')) {
    const [, name = '', value = ''] = /^([^:]+)(?:: ?(.*))?$/.exec(line) ?? [];
    const before = name === 'data' ? fields.get(name) : undefined;
    fields.set(name, before === undefined ? value : `${before}\n${value}`);
  }
  const data = fields.get('data');
  if (data === undefined) return null;
  return { event: fields.get('event') ?? 'message', id: fields.get('id') ?? null, data };
}
