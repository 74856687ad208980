/**
 * DATABASE_URL, read as libpq reads a connection URI (PostgreSQL manual, section 34.1.1.2): several
 * hosts, sslmode and target_session_attrs mean here what they mean to psql. PGHOST, PGPORT and
 * PGSSLMODE fill in what the URL leaves out; the driver does so with PGUSER and PGPASSWORD.
 */
import { OrderonceError } from '../errors.ts';

const SSL_MODES = [
  'disable',
  'allow',
  'prefer',
  'require',
  'verify-ca',
  'verify-full',
  // Not of libpq: what node-postgres calls "encrypt, and do not verify".
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
  /** A name, an address, or the folder of a Unix socket, which begins with a slash. */
  readonly host: string;
  readonly port: number;
};

export type DatabaseTarget = {
  /** In the order in which they are tried. */
  readonly hosts: readonly HostAndPort[];
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string | undefined;
  readonly sslMode: SslMode;
  /** Paths of PEM files; sslRootCert may be "system", for the authorities that Node knows. */
  readonly sslRootCert: string | undefined;
  readonly sslCert: string | undefined;
  readonly sslKey: string | undefined;
  readonly sslPassword: string | undefined;
  readonly sslNegotiation: 'postgres' | 'direct';
  readonly channelBinding: boolean;
  /** undefined: a writable session where there is one, else any; see connect.ts. */
  readonly sessionAttributes: SessionAttributes | undefined;
  /** For one address; undefined takes the default of connect.ts. */
  readonly connectTimeoutMs: number | undefined;
  /** undefined: the name of the pool. */
  readonly applicationName: string | undefined;
  /** Command-line options for the server, such as "-c geqo=off". */
  readonly options: string | undefined;
};

const DEFAULT_PORT = 5432;
const SCHEME = /^postgres(?:ql)?:\/\//;
/** Known to libpq or to other drivers, and without effect or without use here. */
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

export const ENCODE_HINT =
  'Characters with a meaning in a URL must be percent-encoded in user name and password: ' +
  '"%" as %25, "@" as %40, ":" as %3A, "/" as %2F, "?" as %3F, "#" as %23, a space as %20';

/** @throws SETTING_INVALID, saying what is wrong and the way out; never repeating a secret. */
export function parseDatabaseUrl(url: string): DatabaseTarget {
  const scheme = SCHEME.exec(url);
  if (scheme === null) {
    throw invalid('must look like postgres://user:password@host:port/database');
  }
  const { authority, path, query } = splitUrl(url.slice(scheme[0].length));
  const at = authority.indexOf('@');
  const [userInfo, hostList] =
    at === -1 ? ['', authority] : [authority.slice(0, at), authority.slice(at + 1)];
  // An "@" further on, where no host can be: it ends a password, which must not be repeated.
  if (hostList.includes('@') || (at === -1 && `${path}${query}`.includes('@'))) {
    throw invalid(`holds an "@" where none can be. ${ENCODE_HINT}`);
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

/** As it is written in a URL. */
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
    throw invalid(`has a "%" in its ${what} that begins no code. ${ENCODE_HINT}`);
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

/** `host1:1,host2:2`, or the parameters host and port, which take lists too. */
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
  if (found === null) throw invalid(`has a host that is none. ${ENCODE_HINT}`);
  const [, host = '', port = ''] = found;
  return { host: decode(host.replace(/^\[(.*)\]$/, '$1'), 'host') ?? '', port };
}

function portOf(text: string): number {
  if (text === '') return Number(process.env.PGPORT) || DEFAULT_PORT;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  // What is no port may be the beginning of a password: it is not repeated.
  throw invalid(`has a port that is none: ports go from 1 to 65535. ${ENCODE_HINT}`);
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
    throw invalid(`has a parameter that is not known: ${unknown.join(', ')}`);
  }
  assertTls(target);
  return target;
}

/** `ssl=true` is how JDBC and others say it. Without either, the environment, then libpq's default. */
function modeOfSsl(ssl: string | undefined): SslMode {
  const ofEnvironment = SSL_MODES.find((mode) => mode === process.env.PGSSLMODE);
  if (ssl === undefined) return ofEnvironment ?? 'prefer';
  if (ssl === 'no-verify') return 'no-verify';
  return ssl === 'false' || ssl === '0' ? 'disable' : 'require';
}

function assertTls(target: DatabaseTarget): void {
  const { sslMode, sslRootCert, sslCert, sslKey, sslNegotiation } = target;
  if (sslNegotiation === 'direct' && /^(disable|allow|prefer)$/.test(sslMode)) {
    throw invalid('has sslnegotiation=direct, which needs sslmode=require or a verifying one');
  }
  if ((sslCert === undefined) !== (sslKey === undefined)) {
    throw invalid('has only one of sslcert and sslkey: they go together');
  }
  const isSystem = sslRootCert === undefined || sslRootCert === 'system';
  if (sslMode === 'verify-ca' && isSystem) {
    throw invalid(
      'has sslmode=verify-ca without sslrootcert: anybody can get a certificate of a public ' +
        'authority. Name your authority in sslrootcert, or use verify-full',
    );
  }
}
