/**
 * Knows the methods of each path, for the header `Allow` (RFC 9110, section 10.2.1): a method that a
 * path does not support is answered 405 instead of 404.
 */
export class AllowedMethods {
  readonly #fixed = new Map<string, Set<string>>();
  readonly #patterns: { readonly pattern: RegExp; readonly methods: Set<string> }[] = [];

  /** @param url path of a route; `:name` stands for one segment, `*` for any rest. */
  add(url: string, method: string | readonly string[]): void {
    const methods = new Set([method].flat());
    if (!/[:*]/.test(url)) {
      this.#fixed.set(url, new Set([...methods, ...(this.#fixed.get(url) ?? [])]));
      return;
    }
    const escaped = url.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
    const pattern = new RegExp(`^${escaped.replace(/:\w+/g, '[^/]+').replaceAll('*', '.*')}$`);
    this.#patterns.push({ pattern, methods });
  }

  /**
   * The methods of a path, sorted, with OPTIONS. A fixed path is never the value of a parameter:
   * `/events/batch` is no event, so it does not have the methods of `/events/:event_id`.
   *
   * @param requestUrl with or without a slash at the end; `*` stands for the whole service.
   * @returns an empty list if the path is unknown.
   */
  of(requestUrl: string): string[] {
    const path = pathOf(requestUrl);
    const fixed = this.#fixed.get(path);
    const found = fixed === undefined ? this.#matching(path) : [fixed];
    if (found.length === 0) return [];
    return [...new Set(['OPTIONS', ...found.flatMap((methods) => [...methods])])].sort();
  }

  /** Whether the router found a parameter in what is a fixed path of other methods. */
  isMistaken(requestUrl: string, method: string): boolean {
    return this.#fixed.get(pathOf(requestUrl))?.has(method) === false;
  }

  #matching(path: string): Set<string>[] {
    const patterns = this.#patterns.filter(({ pattern }) => path === '*' || pattern.test(path));
    const found = patterns.map(({ methods }) => methods);
    return path === '*' ? [...found, ...this.#fixed.values()] : found;
  }
}

/** The path as the router reads it: decoded, and without a slash at its end. */
function pathOf(requestUrl: string): string {
  const path = (requestUrl.split('?')[0] ?? '').replace(/(?<=.)\/$/, '');
  if (!path.includes('%')) return path;
  try {
    // Not decodeURIComponent(): an encoded slash is part of its segment.
    return decodeURI(path);
  } catch {
    return path;
  }
}
