/**
 * Parses DATABASE_URL as libpq parses a connection URI (PostgreSQL manual, section 34.1.1.2), so
 * several hosts, sslmode and target_session_attrs mean the same as in psql. PGHOST, PGPORT and
 * PGSSLMODE fill in what the URL leaves out; the driver does the same with PGUSER and PGPASSWORD.
 */
import { OrderonceError } from '../errors.ts';

const SSL_MODES = [
  'disable',
  'allow',
  'prefer',
  'require',
  'verify-ca',
  'verify-full',
  // Not a mode of libpq: node-postgres uses this name for "encrypt, but do not verify".
  'no-verify',
] as const;
export type SslMode = (typeof SSL_MODES)[number];

const SESSION_ATTRIBUTES = [
  'any',
  'read-write',
  'read-only',
  'primary',
  'standby',
  'prefer-standby',
] as const;
export type SessionAttributes = (typeof SESSION_ATTRIBUTES)[number];

export type HostAndPort = {
  /** A name, an address, or the directory of a Unix socket, which begins with a slash. */
  readonly host: string;
  readonly port: number;
};

export type DatabaseTarget = {
  /** In the order in which they are to be tried. */
  readonly hosts: readonly HostAndPort[];
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string | undefined;
  readonly sslMode: SslMode;
  /** Path of a PEM file, or "system" for Node's built-in CAs. */
  readonly sslRootCert: string | undefined;
  /** Path of a PEM file. */
  readonly sslCert: string | undefined;
  /** Path of a PEM file. */
  readonly sslKey: string | undefined;
  readonly sslPassword: string | undefined;
  readonly sslNegotiation: 'postgres' | 'direct';
  readonly channelBinding: boolean;
  /** undefined: prefer a session that can write, otherwise accept any; see connect.ts. */
  readonly sessionAttributes: SessionAttributes | undefined;
  /** The limit for each address; undefined means the default of connect.ts. */
  readonly connectTimeoutMs: number | undefined;
  /** undefined: the name of the connection pool is used. */
  readonly applicationName: string | undefined;
  /** Command-line options for the server, such as "-c geqo=off". */
  readonly options: string | undefined;
};

const DEFAULT_PORT = 5432;
const SCHEME = /^postgres(?:ql)?:\/\//;
/**
 * Parameters of libpq or of other drivers that have no effect here. They are accepted and ignored.
 */
const IGNORED = new Set([
  'client_encoding',
  'fallback_application_name',
  'gssencmode',
  'keepalives',
  'keepalives_count',
  'keepalives_idle',
  'keepalives_interval',
  'krbsrvname',
  'pgbouncer',
  'sslcompression',
  'sslsni',
  'tcp_user_timeout',
  'uselibpqcompat',
]);

/**
 * What to do about a URL that cannot be parsed; the usual cause is a password with such characters.
 */
export const ENCODE_HINT =
  'Characters with a meaning in a URL must be percent-encoded in user name and password: ' +
  '"%" as %25, "@" as %40, ":" as %3A, "/" as %2F, "?" as %3F, "#" as %23, a space as %20';

/** @throws SETTING_INVALID with what is wrong and how to correct it. It never repeats a secret. */
export function parseDatabaseUrl(url: string): DatabaseTarget {
  const scheme = SCHEME.exec(url);
  if (scheme === null) {
    throw invalid('must look like postgres://user:password@host:port/database');
  }
  const { authority, path, query } = splitUrl(url.slice(scheme[0].length));
  const at = authority.indexOf('@');
  const [userInfo, hostList] =
    at === -1 ? ['', authority] : [authority.slice(0, at), authority.slice(at + 1)];
  // A second "@", or one in the path or query, was probably meant as the end of a password that
  // contains "/", "?" or "@". The message must not repeat any of it.
  if (hostList.includes('@') || (at === -1 && `${path}${query}`.includes('@'))) {
    throw invalid(`has an "@" in the wrong place. ${ENCODE_HINT}`);
  }
  const colon = userInfo.indexOf(':');
  const [user, password] =
    colon === -1 ? [userInfo, ''] : [userInfo.slice(0, colon), userInfo.slice(colon + 1)];
  const parameters = readParameters(query);
  const hosts = hostsOf(hostList, parameters);
  return targetOf(parameters, {
    hosts,
    user: parameters.take('user') ?? decode(user, 'user name'),
    password: parameters.take('password') ?? decode(password, 'password'),
    database: parameters.take('dbname') ?? decode(path, 'database name'),
  });
}

/** `host:port` as it is written in a URL, with brackets around an IPv6 address. */
export function describeHost({ host, port }: HostAndPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function invalid(what: string): OrderonceError {
  return new OrderonceError('SETTING_INVALID', `DATABASE_URL ${what}`);
}

function splitUrl(rest: string): { authority: string; path: string; query: string } {
  const end = rest.search(/[/?]/);
  const authority = end === -1 ? rest : rest.slice(0, end);
  const tail = end === -1 ? '' : rest.slice(end);
  const question = tail.indexOf('?');
  const path = question === -1 ? tail : tail.slice(0, question);
  return { authority, path: path.slice(1), query: question === -1 ? '' : tail.slice(question + 1) };
}

function decode(text: string, what: string): string | undefined {
  if (text === '') return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(`has a "%" in its ${what} that is not percent-encoding. ${ENCODE_HINT}`);
  }
}

type Parameters = { take(name: string): string | undefined; names(): string[] };

function readParameters(query: string): Parameters {
  const values = new Map<string, string>();
  for (const pair of query.split('&').filter((text) => text !== '')) {
    const equals = pair.indexOf('=');
    if (equals === -1) throw invalid(`has a parameter without "=". ${ENCODE_HINT}`);
    const value = decode(pair.slice(equals + 1), 'parameters');
    if (value !== undefined) values.set(pair.slice(0, equals), value);
  }
  return {
    take: (name) => {
      const value = values.get(name);
      values.delete(name);
      return value;
    },
    names: () => [...values.keys()],
  };
}

/** From `host1:1,host2:2`, or from the parameters host and port, which may be lists too. */
function hostsOf(hostList: string, parameters: Parameters): HostAndPort[] {
  const given = hostList.split(',').map(splitHost);
  const names = parameters.take('host')?.split(',') ?? given.map(({ host }) => host);
  const ports = parameters.take('port')?.split(',') ?? given.map(({ port }) => port);
  if (ports.length > 1 && ports.length !== names.length) {
    throw invalid(`names ${names.length} hosts but ${ports.length} ports`);
  }
  return names.map((name, index) => ({
    host: name || process.env.PGHOST || 'localhost',
    port: portOf((ports.length === 1 ? ports[0] : ports[index]) ?? ''),
  }));
}

function splitHost(text: string): { host: string; port: string } {
  const found = /^(\[[^\]]*\]|[^:[\]]*)(?::(.*))?$/.exec(text);
  if (found === null) throw invalid(`has an invalid host. ${ENCODE_HINT}`);
  const [, host = '', port = ''] = found;
  return { host: decode(host.replace(/^\[(.*)\]$/, '$1'), 'host') ?? '', port };
}

function portOf(text: string): number {
  if (text === '') return Number(process.env.PGPORT) || DEFAULT_PORT;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  // An invalid port may be the beginning of a password, so the message does not repeat it.
  throw invalid(`has an invalid port: ports go from 1 to 65535. ${ENCODE_HINT}`);
}

function targetOf(
  parameters: Parameters,
  base: Pick<DatabaseTarget, 'hosts' | 'user' | 'password' | 'database'>,
): DatabaseTarget {
  const { take } = parameters;
  const oneOf = <const T extends string>(name: string, options: readonly T[]): T | undefined => {
    const value = take(name);
    const found = options.find((option) => option === value);
    if (value === undefined || found !== undefined) return found;
    throw invalid(`has ${name}=${value}; it must be one of ${options.join(', ')}`);
  };
  const seconds = take('connect_timeout');
  if (seconds !== undefined && !/^\d{1,6}$/.test(seconds)) {
    throw invalid(`has connect_timeout=${seconds}; it must be a whole number of seconds`);
  }
  const ssl = oneOf('ssl', ['true', 'false', '1', '0', 'require', 'no-verify']);
  const target: DatabaseTarget = {
    ...base,
    sslMode: oneOf('sslmode', SSL_MODES) ?? modeOfSsl(ssl),
    sslRootCert: take('sslrootcert'),
    sslCert: take('sslcert'),
    sslKey: take('sslkey'),
    sslPassword: take('sslpassword'),
    sslNegotiation: oneOf('sslnegotiation', ['postgres', 'direct']) ?? 'postgres',
    channelBinding: oneOf('channel_binding', ['disable', 'prefer', 'require']) === 'require',
    sessionAttributes: oneOf('target_session_attrs', SESSION_ATTRIBUTES),
    connectTimeoutMs: Number(seconds ?? 0) > 0 ? Number(seconds) * 1000 : undefined,
    applicationName: take('application_name'),
    options: take('options'),
  };
  const unknown = parameters.names().filter((name) => !IGNORED.has(name));
  if (unknown.length > 0) {
    throw invalid(`has an unknown parameter: ${unknown.join(', ')}. Remove it`);
  }
  assertTls(target);
  return target;
}

/**
 * JDBC and other drivers write `ssl=true`. Without it PGSSLMODE counts, then the default of libpq.
 */
function modeOfSsl(ssl: string | undefined): SslMode {
  const ofEnvironment = SSL_MODES.find((mode) => mode === process.env.PGSSLMODE);
  if (ssl === undefined) return ofEnvironment ?? 'prefer';
  if (ssl === 'no-verify') return 'no-verify';
  return ssl === 'false' || ssl === '0' ? 'disable' : 'require';
}

function assertTls(target: DatabaseTarget): void {
  const { sslMode, sslRootCert, sslCert, sslKey, sslNegotiation } = target;
  if (sslNegotiation === 'direct' && /^(disable|allow|prefer)$/.test(sslMode)) {
    throw invalid(
      'has sslnegotiation=direct, which needs sslmode=require, verify-ca or verify-full',
    );
  }
  if ((sslCert === undefined) !== (sslKey === undefined)) {
    throw invalid('has only one of sslcert and sslkey: set both or neither');
  }
  const isSystem = sslRootCert === undefined || sslRootCert === 'system';
  if (sslMode === 'verify-ca' && isSystem) {
    throw invalid(
      'has sslmode=verify-ca without sslrootcert, which would trust any certificate of a public ' +
        'CA. Set sslrootcert to the certificate of your CA, or use verify-full',
    );
  }
}
