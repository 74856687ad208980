/** Knows the methods of each path, so that other methods are answered 405 instead of 404. */
export class AllowedMethods {
  readonly #routes: { readonly pattern: RegExp; readonly methods: Set<string> }[] = [];

  /** @param url path of a route; `:name` stands for one segment, `*` for any rest. */
  add(url: string, method: string | readonly string[]): void {
    const escaped = url.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
    const pattern = new RegExp(`^${escaped.replace(/:\w+/g, '[^/]+').replaceAll('*', '.*')}$`);
    const methods = new Set(typeof method === 'string' ? [method] : method);
    this.#routes.push({ pattern, methods });
  }

  /**
   * @param requestUrl with or without a slash at the end.
   * @returns an empty list if it is unknown.
   */
  of(requestUrl: string): string[] {
    const path = (requestUrl.split('?')[0] ?? '').replace(/(?<=.)\/$/, '');
    const found = this.#routes.filter(({ pattern }) => pattern.test(path));
    return [...new Set(found.flatMap(({ methods }) => [...methods]))].sort();
  }
}
