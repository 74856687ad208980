/** Checks that the Dockerfile, the Compose files and the chart agree with the code and one another. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { SETTINGS } from '../src/settings/settings.ts';
import { assertCaredFor, ours, readCompose } from './compose.ts';

const read = (path: string) =>
  readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8');
const { name, version } = JSON.parse(read('package.json')) as { name: string; version: string };

/** Settings that the containers set themselves, or that have no use in them. */
const NOT_IN_COMPOSE = [
  'HOST',
  'PRODUCER_PORT',
  'CONSUMER_PORT',
  'DATABASE_URL',
  'ORDERONCE_DATA_DIR',
  'API_KEY',
  'EMBEDDED_LOG_RETENTION_HOURS',
];

describe('docker-compose.yml', () => {
  const compose = read('docker-compose.yml');

  it('passes on every setting that there is', () => {
    const block = /x-settings: &settings\n((?: {2}.*\n)+)/.exec(compose)?.[1] ?? '';
    const passed = [...block.matchAll(/^ {2}([A-Z_]+):/gm)].map(([, name]) => name);
    const wanted = Object.keys(SETTINGS).filter((name) => !NOT_IN_COMPOSE.includes(name));
    assert.deepEqual(passed.sort(), wanted.sort());
  });

  it('takes from .env only what .env.example names', () => {
    const files = compose + read('docker-compose.zookeeper.yml');
    const used = [...files.matchAll(/\$\{([A-Z_]+)/g)].map(([, name]) => name as string);
    const example = read('.env.example');
    const unnamed = used.filter(
      (name) => !name.startsWith('IMAGE_') && !new RegExp(`^#?${name}=`, 'm').test(example),
    );
    assert.deepEqual(unnamed, []);
  });

  it('has a health check and a restart for each service, and starts them in order', () => {
    assertCaredFor(readCompose(compose));
  });

  it('has a limit of memory for each service', () => {
    for (const [service, { deploy }] of Object.entries(readCompose(compose))) {
      assert.ok(deploy?.resources.limits.memory, service);
    }
  });
});

describe('The profile observe', () => {
  const { services } = parse(read('docker-compose.yml'), { merge: true }) as {
    services: Record<string, { profiles?: string[]; ports?: string[]; volumes?: string[] }>;
  };

  it('brings Prometheus and Grafana only when asked for, on the published address alone', () => {
    const observing = Object.entries(services).filter(([, { profiles }]) => profiles !== undefined);
    assert.deepEqual(
      observing.map(([name, { profiles }]) => [name, profiles]),
      [
        ['prometheus', ['observe']],
        ['grafana', ['observe']],
      ],
    );
    for (const [, { ports = [] }] of observing) {
      assert.ok(ports.length === 1 && ports[0]?.includes('PUBLISH_ADDRESS:-127.0.0.1}:'));
    }
  });

  it('finds the files that it mounts, and scrapes the services that there are, on their ports', () => {
    for (const name of ['prometheus', 'grafana']) {
      const mounted = services[name]?.volumes?.filter((volume) => volume.startsWith('./')) ?? [];
      assert.ok(mounted.length > 0);
      for (const volume of mounted) {
        const [path = ''] = volume.split(':');
        assert.ok(existsSync(fileURLToPath(new URL(`../${path}`, import.meta.url))), volume);
      }
    }
    const { rule_files, scrape_configs } = parse(read('deploy/prometheus/prometheus.yml')) as {
      rule_files: string[];
      scrape_configs: { dns_sd_configs: { names: string[]; port: number }[] }[];
    };
    assert.deepEqual(rule_files, ['rules.yml']);
    const scraped = scrape_configs.flatMap(({ dns_sd_configs }) => dns_sd_configs);
    for (const { names, port } of scraped) {
      assert.ok(services[names[0] as string]?.ports?.[0]?.endsWith(`:${port}`), names[0]);
    }
    assert.equal(scraped.length, 2);
  });
});

describe('The image', () => {
  it('runs as nobody in particular, hands signals to Node, and copies no tests', () => {
    const file = read('Dockerfile');
    assert.match(file, /^USER 1000:1000$/m);
    assert.match(file, /^ENTRYPOINT \["node"/m);
    assert.match(file, /^HEALTHCHECK .*\\\n {2}CMD \["node", .*"health"\]$/m);
    assert.match(read('.dockerignore'), /^\*\*\/\*\.test\.ts$/m);
  });

  it('has one name and the version of the release wherever it is built or run', () => {
    const image = `${name}:${version}`;
    assert.match(read('Dockerfile'), new RegExp(`^# {3}docker build -t ${image} \\.$`, 'm'));
    assert.deepEqual(ours(readCompose(read('docker-compose.yml'))), [image, image, image]);
    assert.match(
      read('deploy/helm/orderonce/values.yaml'),
      new RegExp(`^  repository: ${name}$`, 'm'),
    );
    assert.match(
      read('deploy/helm/orderonce/Chart.yaml'),
      new RegExp(`^appVersion: ${version}$`, 'm'),
    );
    for (const page of ['README.md', 'docs/handlers.md', 'docs/operations.md']) {
      const named = [...read(page).matchAll(/\borderonce:(\d[\w.-]*)/g)].map(([, tag]) => tag);
      assert.ok(named.length > 0 && named.every((tag) => tag === version), page);
    }
  });
});
