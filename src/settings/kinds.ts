/** The kinds of settings: how the text of each is understood, or refused with the way out. */
export type Spec<T> = {
  readonly parse: (text: string, name: string) => T;
  /** As text, so that it is parsed like any other value; undefined means "not set". */
  readonly fallback?: string;
  readonly type: string;
  readonly help: string;
  readonly secret?: true;
};

/** What Kubernetes and Docker set for a service called "producer" or "consumer". */
const LINK = /^(tcp|udp):\/\//;
const LINK_ADVICE =
  ', which Kubernetes sets for a service of this name: set a number, or enableServiceLinks: false';
const YES = ['on', 'true', 'yes', '1'];
const NO = ['off', 'false', 'no', '0'];
/** Kafka's names for what is spoken to a broker (security.protocol). */
const PROTOCOLS = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'];
const BROKER = /^(?:(\w+):\/\/)?((?:\[[\da-f:.]+\]|[^\s:,/[\]@]+):(\d{1,5}))$/i;

export function text(fallback: string, help: string, pattern = /^/, shape = 'text'): Spec<string> {
  const parse = (value: string, name: string) => {
    if (pattern.test(value)) return value;
    throw new Error(`${name} must be ${shape}, not "${value}"`);
  };
  return { parse, fallback, type: shape, help };
}

/** Also refuses what only looks like a URL, such as one with port 99999. */
export function isUrl(...protocols: string[]): (value: string) => boolean {
  return (value) => URL.canParse(value) && protocols.includes(new URL(value).protocol);
}

/** @param shape what a valid value looks like; a secret one is never repeated. */
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

export function file(help: string): Spec<string | undefined> {
  return optional((value) => value.length > 0, 'path/to/file', help);
}

export function integer(fallback: number, min: number, max: number, help: string): Spec<number> {
  const parse = (value: string, name: string) => {
    const number = /^-?\d+$/.test(value) ? Number(value) : Number.NaN;
    if (number >= min && number <= max) return number;
    const link = LINK.test(value) ? LINK_ADVICE : '';
    throw new Error(`${name} must be a whole number from ${min} to ${max}, not "${value}"${link}`);
  };
  return { parse, fallback: String(fallback), type: `${min} to ${max}`, help };
}

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

/** On or off, in the words of YAML, shells and programming languages. */
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

/** Addresses of brokers, each with its protocol in front if somebody copied it from Kafka's own files. */
export function brokers(help: string): Spec<string | undefined> {
  const type = 'host:port,host:port';
  const parse = (value: string, name: string) => {
    const addresses = value.split(',').map((address) => brokerOf(address));
    if (!addresses.includes(null)) return addresses.map((found) => found?.address).join(',');
    throw new Error(`${name} must look like ${type}, not "${value}"`);
  };
  return { parse, type, help };
}

/** @returns null for what is no address of a broker. */
function brokerOf(text: string): { readonly protocol?: string; readonly address: string } | null {
  const [, protocol, address = '', port] = BROKER.exec(text.trim()) ?? [];
  if (!(Number(port) > 0 && Number(port) <= 65_535)) return null;
  if (protocol === undefined) return { address };
  const known = PROTOCOLS.find((name) => name === protocol.toUpperCase());
  return known === undefined ? null : { protocol: known, address };
}

/** Whether a protocol in front of an address contradicts the settings that choose it. */
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
  return `KAFKA_BOOTSTRAP_SERVERS says ${other}://, the other settings say ${chosen}: ${other} is ${needs.join(' and ')}`;
}
