/** `GET /`: says what this service is, and where its documentation, console and health are. */
import type { HttpServer } from '../runtime/http-server.ts';
import { type Operation, record } from '../runtime/operation.ts';
import { VERSION } from '../runtime/version.ts';

const WHAT =
  'Orderonce accepts order events here. Each takes effect in PostgreSQL exactly once, however often it is sent.';
const TEXT = { type: 'string' };
const LINKS = { type: 'object', additionalProperties: { type: 'string', format: 'uri-reference' } };

type Links = Readonly<Record<string, string>>;

const GET_ROOT: Operation = {
  summary: 'What this service is, with links',
  description:
    'The answer is HTML if the header Accept prefers it, as browsers do; otherwise JSON.',
  tags: ['about'],
  responses: {
    200: {
      description: 'What this service is.',
      content: {
        'application/json': {
          schema: record({ service: TEXT, version: TEXT, description: TEXT, links: LINKS }),
          example: aboutWith(linksTo('http://127.0.0.1:8001/')),
        },
        'text/html': { schema: TEXT, example: '<!doctype html>…' },
      },
    },
  },
};

/** The page has no script and is shown in no frame. Only its own style is applied. */
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; img-src data:";

/** @param statusUrl base URL of the consumer service, whose `/` is the console. */
export function addRootRoute(app: HttpServer, statusUrl: string): void {
  const links = linksTo(`${statusUrl}/`);
  const about = aboutWith(links);
  const page = htmlOf(links);
  app.get('/', { config: { operation: GET_ROOT } }, ({ headers }, reply) => {
    reply.header('Vary', 'Accept');
    if (!prefersHtml(headers.accept ?? '')) return reply.send(about);
    return reply
      .header('Content-Security-Policy', POLICY)
      .type('text/html; charset=utf-8')
      .send(page);
  });
}

function aboutWith(links: Links) {
  return { service: 'Orderonce ingest API', version: VERSION, description: WHAT, links };
}

function linksTo(console: string): Links {
  return {
    documentation: '/docs',
    openapi: '/openapi.json',
    events: '/events',
    console,
    health: '/health',
    metrics: '/metrics',
  };
}

/**
 * Whether `text/html` has a higher quality in Accept than `application/json` (RFC 9110, section
 * 12.5.1). A wildcard alone, as curl sends it, gets JSON.
 */
export function prefersHtml(accept: string): boolean {
  const qualityOf = (...names: string[]) => {
    const found = accept
      .toLowerCase()
      .split(',')
      .map((part) => part.split(';').map((piece) => piece.trim()))
      .filter(([name = '']) => names.includes(name))
      .map(([, ...parameters]) => {
        const q = parameters.find((parameter) => parameter.startsWith('q='));
        return q === undefined ? 1 : Number(q.slice(2)) || 0;
      });
    return Math.max(0, ...found);
  };
  return qualityOf('text/html', 'application/xhtml+xml') > qualityOf('application/json');
}

function htmlOf(links: Links): string {
  const texts: Readonly<Record<string, string>> = {
    documentation: 'Documentation of this API',
    openapi: 'Its description, as OpenAPI',
    console: 'Console: partitions, events, orders and dead letters',
    health: 'Health',
    metrics: 'Metrics',
  };
  const items = Object.entries(texts).map(
    ([name, text]) => `      <li><a href="${escaped(links[name] ?? '')}">${text}</a></li>`,
  );
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Orderonce ingest API</title>
    <link rel="icon" href="data:," />
    <style>body { font: 16px/1.5 system-ui, sans-serif; max-width: 40em; margin: 3em auto; padding: 0 1em }</style>
  </head>
  <body>
    <h1>Orderonce ingest API</h1>
    <p>${WHAT} Send an event with <code>POST /events</code>.</p>
    <ul>
${items.join('\n')}
    </ul>
    <p>Version ${VERSION}</p>
  </body>
</html>
`;
}

function escaped(text: string): string {
  return text.replace(/[&"<>]/g, (character) => `&#${character.charCodeAt(0)};`);
}
