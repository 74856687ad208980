/** One member of a JSON object: its key, and the source text of its value. */
export type JsonMember = { readonly key: string; readonly source: string };

/**
 * The top-level members of a JSON object in the order in which they were written, duplicates
 * included.
 *
 * JSON.parse silently keeps only the last of two equal keys and turns numbers into floats. Another
 * parser may keep the first key, and the two would then disagree about an amount. This function
 * reads the text a second time to find what JSON.parse drops.
 *
 * @param text must be an object that JSON.parse has accepted. It is not checked again here.
 */
export function membersOf(text: string): JsonMember[] {
  const members: JsonMember[] = [];
  let at = skipSpace(text, text.indexOf('{') + 1);
  while (text[at] !== '}') {
    const keyEnd = endOfString(text, at);
    const key = JSON.parse(text.slice(at, keyEnd)) as string;
    const valueStart = skipSpace(text, text.indexOf(':', keyEnd) + 1);
    const valueEnd = endOfValue(text, valueStart);
    members.push({ key, source: text.slice(valueStart, valueEnd) });
    at = skipSpace(text, valueEnd);
    if (text[at] === ',') at = skipSpace(text, at + 1);
  }
  return members;
}

function skipSpace(text: string, at: number): number {
  for (;;) {
    const code = text.charCodeAt(at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return at;
    at++;
  }
}

/** The index after the closing quote of the string that begins at `at`. */
function endOfString(text: string, at: number): number {
  for (let i = at + 1; ; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) return i + 1;
    if (code === 0x5c) i++;
  }
}

function endOfValue(text: string, at: number): number {
  const first = text[at];
  if (first === '"') return endOfString(text, at);
  if (first === '{' || first === '[') return endOfNested(text, at);
  let end = at;
  while (!/[\s,}]/.test(text[end] as string)) end++;
  return end;
}

/** Counts brackets instead of recursing, so that deep nesting cannot overflow the stack. */
export function endOfNested(text: string, at: number): number {
  let depth = 0;
  for (let i = at; ; i++) {
    const char = text[i];
    if (char === '"') i = endOfString(text, i) - 1;
    else if (char === '{' || char === '[') depth++;
    else if ((char === '}' || char === ']') && --depth === 0) return i + 1;
  }
}

/** Whether the source text of a JSON value is that of a string. */
export const isString = (source: string) => source.startsWith('"');

/**
 * The text of a JSON string literal. Without escapes, cutting off the quotes is enough and faster.
 */
export function textOf(source: string): string {
  return source.includes('\\') ? (JSON.parse(source) as string) : source.slice(1, -1);
}
