/** Reads server-sent events (HTML standard, section 9.2) from pieces of text. Pure. */

/**
 * @param rest what the previous call left over; '' at the beginning.
 * @returns the complete events, and what is left over.
 */
export function readEvents(rest, text) {
  const blocks = (rest + text).split('\n\n');
  const left = blocks.pop() ?? '';
  return { events: blocks.map(readBlock).filter((event) => event !== null), rest: left };
}

/** @returns null for a comment, or for data that is not JSON. */
function readBlock(block) {
  const event = { kind: 'message', id: null, data: null };
  const data = [];
  for (const line of block.split('\n')) {
    const [, field = '', value = ''] = /^([a-z]+): ?(.*)$/.exec(line) ?? [];
    if (field === 'event') event.kind = value;
    if (field === 'id') event.id = value;
    if (field === 'data') data.push(value);
  }
  if (data.length === 0) return null;
  try {
    return { ...event, data: JSON.parse(data.join('\n')) };
  } catch {
    return null;
  }
}
