/** What the tests of Compose files share: how one is read, and what holds for each of its services. */
import assert from 'node:assert/strict';
import { parse } from 'yaml';

export type Service = {
  readonly image: string;
  readonly build?: string;
  readonly command?: readonly string[];
  readonly restart?: string;
  /** Set for a service that runs only when it is asked for. */
  readonly profiles?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly networks?: readonly string[];
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly deploy?: { readonly resources: { readonly limits: { readonly memory: string } } };
};
export type Services = Readonly<Record<string, Service>>;

/** The services by name. Each variable has its default, or its name where it must be set. */
export function readCompose(text: string): Services {
  const filled = text.replaceAll(
    /\$\{([A-Z_]+)(?::([-?])([^}]*))?\}/g,
    (_, variable, sign, fallback) => (sign === '-' ? fallback : variable),
  );
  return parse(filled, { merge: true }).services;
}

/** The images of the services that Compose builds: ours. */
export function ours(services: Services): string[] {
  return Object.values(services).flatMap(({ build, image }) =>
    build === undefined ? [] : [image],
  );
}

/**
 * Asserts that each service restarts, that each has a health check (ours: in the image), and that it
 * waits for those it needs: for servers until they are healthy, for `migrate` until it succeeded.
 */
export function assertCaredFor(services: Services): void {
  const usual = Object.entries(services).filter(([, { profiles }]) => profiles === undefined);
  const names = usual.map(([name]) => name);
  assert.deepEqual(names, ['postgres', 'kafka', 'migrate', 'producer', 'consumer']);
  for (const [name, { build, restart, healthcheck, command }] of Object.entries(services)) {
    const runsOnce = name === 'migrate';
    assert.equal(restart, runsOnce ? 'on-failure' : 'unless-stopped', name);
    if (build === undefined) assert.ok(healthcheck?.test?.length, name);
    else assert.deepEqual([command, healthcheck?.disable], [[name], runsOnce || undefined]);
  }
  const waits = (name: string) =>
    Object.entries(services[name]?.depends_on ?? {}).map((entry) => [entry[0], entry[1].condition]);
  const [postgres, kafka] = ['postgres', 'kafka'].map((server) => [server, 'service_healthy']);
  const migrated = ['migrate', 'service_completed_successfully'];
  assert.deepEqual(waits('migrate'), [postgres, kafka]);
  assert.deepEqual(waits('producer'), [migrated, kafka]);
  assert.deepEqual(waits('consumer'), [migrated, postgres, kafka]);
}
