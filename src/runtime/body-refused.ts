/** A request body that is refused. `statusCode` and `headers` are those of the answer. */
export class BodyRefused extends Error {
  readonly statusCode: 400 | 413 | 415;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    statusCode: BodyRefused['statusCode'],
    message: string,
    headers: BodyRefused['headers'] = {},
  ) {
    super(message);
    this.statusCode = statusCode;
    this.headers = headers;
  }
}

export function tooLarge(bytesMax: number): BodyRefused {
  return new BodyRefused(413, `Request body is over ${bytesMax} bytes`);
}
