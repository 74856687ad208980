/** Which broker to run, and where. */
export type BrokerOptions = {
  readonly port: number;
  /** Folder of its data and configuration; each broker needs its own. */
  readonly folder: string;
  readonly mode: BrokerMode;
  readonly say?: (line: string) => void;
  /** Membership in a cluster; only with KRaft. Without it, the broker is alone. */
  readonly member?: ClusterMember;
  /** The host name that the broker advertises to clients. Default: 127.0.0.1. */
  readonly advertisedHost?: string;
  /** Another listener, for clients that reach the broker through a proxy; only with KRaft. */
  readonly behind?: { readonly port: number; readonly advertisedPort: number };
  /** A second listener with TLS and SASL; only with KRaft. */
  readonly secure?: SecureListener;
};

export type ClusterMember = {
  /** Ids begin with 1. */
  readonly id: number;
  /** The ports of all members, this one included, in order of their ids. */
  readonly ports: readonly number[];
  /** The same for all members; see randomClusterId(). */
  readonly clusterId: string;
};

export type SecureListener = {
  readonly port: number;
  /** Path of a PEM file, as are `cert` and `key`. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** true: users have only granted rights. Clients of the plain listener have all rights. */
  readonly authorizes?: boolean;
  /** The user for PLAIN and SCRAM. With OAUTHBEARER, unsigned tokens of any name are accepted. */
  readonly user: { readonly name: string; readonly password: string };
};

export const VERSIONS = { kraft: '4.4.0', 'kraft-3.9': '3.9.2', zookeeper: '3.9.2' } as const;
export type BrokerMode = keyof typeof VERSIONS;
export const BROKER_MODES = Object.keys(VERSIONS) as BrokerMode[];
