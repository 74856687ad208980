/** Which broker, and where. */
export type BrokerOptions = {
  readonly port: number;
  /** One data folder is one broker. */
  readonly folder: string;
  readonly mode: BrokerMode;
  readonly say?: (line: string) => void;
  /** Of a cluster of several brokers, each a controller too; KRaft only. Left out: it is alone. */
  readonly member?: ClusterMember;
  /** The name that it gives out to its clients; left out: its address. */
  readonly advertisedHost?: string;
  /** Another listener, for clients that reach the broker through something in between; KRaft only. */
  readonly behind?: { readonly port: number; readonly advertisedPort: number };
  /** A second listener, with TLS and SASL; KRaft only. */
  readonly secure?: SecureListener;
};

export type ClusterMember = {
  /** From 1 on. */
  readonly id: number;
  /** Of all members, this one included, in order of id. */
  readonly ports: readonly number[];
  /** The same for all members: StorageTool's random-uuid. */
  readonly clusterId: string;
};

export type SecureListener = {
  readonly port: number;
  /** PEM files. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** Users have only the rights that they were granted; those of the plain listener have all. */
  readonly authorizes?: boolean;
  /** By PLAIN and by SCRAM. OAUTHBEARER takes unsigned tokens of any name. */
  readonly user: { readonly name: string; readonly password: string };
};

export const VERSIONS = { kraft: '4.4.0', 'kraft-3.9': '3.9.2', zookeeper: '3.9.2' } as const;
export type BrokerMode = keyof typeof VERSIONS;
export const BROKER_MODES = Object.keys(VERSIONS) as BrokerMode[];
