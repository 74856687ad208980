/**
 * One setting. The functions of this file make one for each kind of value. A refused value is a
 * plain Error whose message says what a valid value looks like; readSettings collects the messages.
 */
export type Spec<T> = {
  /** @throws Error if the text is not valid. */
  readonly parse: (text: string, name: string) => T;
  /** The default as text, parsed like any other value; undefined if there is no default. */
  readonly fallback?: string;
  /** The valid values, for the reference page. */
  readonly type: string;
  readonly help: string;
  readonly secret?: true;
};

/** Kubernetes and Docker set PRODUCER_PORT to such a value for a service called "producer". */
const LINK = /^(tcp|udp):\/\//;
const LINK_ADVICE =
  ', which Kubernetes sets for a service of this name: set a number, or set enableServiceLinks: false';
const YES = ['on', 'true', 'yes', '1'];
const NO = ['off', 'false', 'no', '0'];
/** The values of Kafka's client setting security.protocol. */
const PROTOCOLS = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'];
const BROKER = /^(?:(\w+):\/\/)?((?:\[[\da-f:.]+\]|[^\s:,/[\]@]+):(\d{1,5}))$/i;

/**
 * A text with a default.
 * @param pattern which a valid value must match.
 * @param shape describes a valid value, after "must be".
 */
export function text(fallback: string, help: string, pattern = /^/, shape = 'text'): Spec<string> {
  const parse = (value: string, name: string) => {
    if (pattern.test(value)) return value;
    throw new Error(`${name} must be ${shape}, not "${value}"`);
  };
  return { parse, fallback, type: shape, help };
}

/** Refuses also what only looks like a URL, such as one with port 99999. */
export function isUrl(...protocols: string[]): (value: string) => boolean {
  return (value) => URL.canParse(value) && protocols.includes(new URL(value).protocol);
}

/**
 * A setting without a default.
 * @param shape an example or description of a valid value, for the message about an invalid one.
 * @param secret keeps the value out of messages and pages.
 */
export function optional(
  isValid: (value: string) => boolean,
  shape: string,
  help: string,
  secret?: true,
): Spec<string | undefined> {
  const parse = (value: string, name: string): string | undefined => {
    if (isValid(value)) return value;
    const given = secret ? '' : `, not "${value}"`;
    throw new Error(`${name} must look like ${shape}${given}`);
  };
  const spec = { parse, type: shape, help };
  return secret ? { ...spec, secret } : spec;
}

/** The path of a file. Whoever uses the setting reads the file; here it need not exist. */
export function file(help: string): Spec<string | undefined> {
  return optional((value) => value.length > 0, 'path/to/file', help);
}

/** A whole number from `min` to `max`, both included. */
export function integer(fallback: number, min: number, max: number, help: string): Spec<number> {
  const parse = (value: string, name: string) => {
    const number = /^-?\d+$/.test(value) ? Number(value) : Number.NaN;
    if (number >= min && number <= max) return number;
    const link = LINK.test(value) ? LINK_ADVICE : '';
    throw new Error(`${name} must be a whole number from ${min} to ${max}, not "${value}"${link}`);
  };
  return { parse, fallback: String(fallback), type: `${min} to ${max}`, help };
}

/** A number from 0 to 1. */
export function ratio(fallback: number, help: string): Spec<number> {
  const parse = (value: string, name: string) => {
    const number = /^\d*\.?\d+$/.test(value) ? Number(value) : Number.NaN;
    if (number >= 0 && number <= 1) return number;
    throw new Error(`${name} must be a number from 0 to 1, not "${value}"`);
  };
  return { parse, fallback: String(fallback), type: '0 to 1', help };
}

/** One of the options, in upper or lower case. */
export function choice<const T extends string>(
  fallback: T,
  options: readonly T[],
  help: string,
): Spec<T> {
  const parse = (value: string, name: string) => {
    const found = options.find((option) => option.toLowerCase() === value.toLowerCase());
    if (found !== undefined) return found;
    throw new Error(`${name} must be one of ${options.join(', ')}, not "${value}"`);
  };
  return { parse, fallback, type: options.join(', '), help };
}

/** A switch. Besides on and off it understands true, false, yes, no, 1 and 0. */
export function toggle(fallback: 'on' | 'off', help: string): Spec<'on' | 'off'> {
  const options = fallback === 'on' ? 'on, off' : 'off, on';
  const parse = (value: string, name: string) => {
    const word = value.toLowerCase();
    if (YES.includes(word)) return 'on';
    if (NO.includes(word)) return 'off';
    throw new Error(`${name} must be on or off (or true, false, yes, no, 1, 0), not "${value}"`);
  };
  return { parse, fallback, type: options, help };
}

/** Addresses of brokers. A protocol in front, as in Kafka's own listener settings, is removed. */
export function brokers(help: string): Spec<string | undefined> {
  const type = 'host:port,host:port';
  const parse = (value: string, name: string) => {
    const addresses = value.split(',').map((address) => brokerOf(address));
    if (!addresses.includes(null)) return addresses.map((found) => found?.address).join(',');
    throw new Error(`${name} must look like ${type}, not "${value}"`);
  };
  return { parse, type, help };
}

/** @returns null if the text is not the address of a broker. */
function brokerOf(text: string): { readonly protocol?: string; readonly address: string } | null {
  const [, protocol, address = '', port] = BROKER.exec(text.trim()) ?? [];
  if (!(Number(port) > 0 && Number(port) <= 65_535)) return null;
  if (protocol === undefined) return { address };
  const known = PROTOCOLS.find((name) => name === protocol.toUpperCase());
  return known === undefined ? null : { protocol: known, address };
}

/**
 * Compares the protocols in front of broker addresses with KAFKA_TLS and KAFKA_SASL_MECHANISM.
 * @returns a message if they contradict each other, otherwise null.
 */
export function protocolProblem(
  servers: string,
  { tls, mechanism }: { readonly tls: 'on' | 'off'; readonly mechanism: string },
): string | null {
  const chosen = `${mechanism === 'none' ? '' : 'SASL_'}${tls === 'on' ? 'SSL' : 'PLAINTEXT'}`;
  const said = servers.split(',').map((address) => brokerOf(address)?.protocol);
  const other = said.find((protocol) => protocol !== undefined && protocol !== chosen);
  if (other === undefined) return null;
  const needs = [
    `KAFKA_TLS=${other.endsWith('SSL') ? 'on' : 'off'}`,
    other.startsWith('SASL_') ? 'a KAFKA_SASL_MECHANISM' : 'KAFKA_SASL_MECHANISM=none',
  ];
  return `KAFKA_BOOTSTRAP_SERVERS says ${other}://, but the other settings say ${chosen}: for ${other} set ${needs.join(' and ')}`;
}
