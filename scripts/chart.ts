/**
 * Renders the Helm chart as its users would, and checks the manifests: against the schemas of the
 * oldest Kubernetes release that the chart allows and of the newest known one, and against what
 * this project promises about its pods.
 *
 *   npm run chart     needs helm (3.x) and kubernetes-validate (from PyPI); `.ci/run` fetches both
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { VERSION } from '../src/runtime/version.ts';
import { readSettings, SETTINGS } from '../src/settings/settings.ts';

const CHART = new URL('../deploy/helm/orderonce', import.meta.url).pathname;
const KUBERNETES = ['1.27.0', '1.37.0'];
/** Kinds of other projects (Prometheus Operator, KEDA); Kubernetes has no schemas of them. */
const FOREIGN = ['ServiceMonitor', 'ScaledObject', 'PrometheusRule'];

const EVERYTHING = {
  imagePullSecrets: [{ name: 'registry' }],
  settings: { KAFKA_TLS: 'on', KAFKA_TLS_CA_FILE: '/etc/orderonce/trust/ca.crt' },
  secrets: {
    kafkaPassword: { name: 'kafka' },
    otlpHeaders: { name: 'otlp' },
    apiKeys: { name: 'keys' },
    tls: { name: 'tls', mutualTls: true },
    trust: { name: 'trust' },
  },
  extraEnv: [{ name: 'ACME_KEY', valueFrom: { secretKeyRef: { name: 'acme', key: 'key' } } }],
  extraVolumes: [{ name: 'prices', configMap: { name: 'prices' } }],
  extraVolumeMounts: [{ name: 'prices', mountPath: '/etc/prices', readOnly: true }],
  consumer: { keda: { enabled: true, authentication: 'kafka-login' } },
  serviceMonitor: { enabled: true },
  prometheusRule: {
    enabled: true,
    labels: { release: 'prometheus' },
    runbookUrl: 'https://git.example/orderonce/',
    consoleUrl: 'https://console.example',
  },
  dashboard: { enabled: true },
  networkPolicy: { enabled: true },
  nodeSelector: { disk: 'fast' },
  tolerations: [{ key: 'a', operator: 'Exists' }],
};
const FEWEST = {
  producer: { autoscaling: { enabled: false } },
  serviceAccount: { create: false },
};
const VARIANTS = { defaults: {}, everything: EVERYTHING, fewest: FEWEST };

// biome-ignore lint/suspicious/noExplicitAny: manifests of many kinds, looked at by path
type Manifest = Record<string, any>;

const folder = mkdtempSync(join(tmpdir(), 'orderonce-chart-'));
after(() => rm(folder, { recursive: true }));

function run(command: string, args: readonly string[]): { code: number | null; output: string } {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (error !== undefined) throw new Error(`${command} cannot be run: ${error.message}`);
  return { code: status, output: stdout + stderr };
}

function helm(values: object): { code: number | null; output: string } {
  const file = join(folder, 'values.yaml');
  // Every JSON document is a YAML document.
  writeFileSync(file, JSON.stringify(values));
  const args = ['template', 'orders', CHART, '--kube-version', KUBERNETES[0] as string, '-f', file];
  return run('helm', args);
}

function render(values: object): Manifest[] {
  const { code, output } = helm(values);
  assert.equal(code, 0, output);
  const documents = parseAllDocuments(output).map((document) => {
    assert.deepEqual(document.errors, []);
    return document.toJS() as Manifest | null;
  });
  return documents.filter((document) => document !== null);
}

const named = (manifests: readonly Manifest[], kind: string) =>
  manifests.filter((manifest) => manifest.kind === kind);
const podsOf = (manifests: readonly Manifest[]): Manifest[] =>
  [...named(manifests, 'Deployment'), ...named(manifests, 'Job')].map(
    ({ spec }) => spec.template.spec,
  );

describe('the chart', () => {
  it('passes its own lint', () => {
    const { code, output } = run('helm', ['lint', '--strict', CHART]);
    assert.equal(code, 0, output);
  });

  for (const [variant, values] of Object.entries(VARIANTS)) {
    for (const version of KUBERNETES) {
      it(`with ${variant} is what Kubernetes ${version} takes, and nothing else`, () => {
        const manifests = render(values);
        const own = manifests.filter(({ kind }) => !FOREIGN.includes(kind));
        assert.ok(own.length >= 8, `${own.length} documents`);
        const file = join(folder, 'rendered.yaml');
        writeFileSync(file, own.map((manifest) => JSON.stringify(manifest)).join('\n---\n'));
        const words = ['-m', 'kubernetes_validate', '--strict', '-k', version, file];
        const { code, output } = run('python3', words);
        assert.equal(code, 0, output);
        assert.equal(output.match(/ passed for resource /g)?.length, own.length, output);
      });
    }
  }

  it('has whatever is switched on, and only that', () => {
    const kinds = (values: object) => new Set(render(values).map(({ kind }) => kind as string));
    const [usual, all, few] = [kinds({}), kinds(EVERYTHING), kinds(FEWEST)];
    for (const kind of ['ServiceMonitor', 'ScaledObject', 'NetworkPolicy', 'PrometheusRule']) {
      assert.deepEqual([usual.has(kind), all.has(kind)], [false, true], kind);
    }
    for (const kind of ['HorizontalPodAutoscaler', 'ServiceAccount']) {
      assert.deepEqual([usual.has(kind), few.has(kind)], [true, false], kind);
    }
    assert.ok(usual.has('PodDisruptionBudget'));
  });

  it('brings the alert rules as they are, with links that lead somewhere, and the dashboard', () => {
    const manifests = render(EVERYTHING);
    const [rule] = named(manifests, 'PrometheusRule') as [Manifest];
    assert.equal(rule.metadata.labels.release, 'prometheus');
    const read = (file: string) =>
      readFileSync(new URL(`../deploy/${file}`, import.meta.url), 'utf8');
    const { groups } = parse(read('prometheus/rules.yml')) as Manifest;
    const withLinks = JSON.parse(
      JSON.stringify(groups)
        .replaceAll('"runbook_url":"docs/', '"runbook_url":"https://git.example/orderonce/docs/')
        .replaceAll('"console":"/console', '"console":"https://console.example/console'),
    );
    assert.deepEqual(rule.spec.groups, withLinks);
    const dashboards = named(manifests, 'ConfigMap').filter(({ data }) => data['orderonce.json']);
    assert.equal(dashboards.length, 1);
    const [{ data, metadata }] = dashboards as [Manifest];
    assert.equal(metadata.labels.grafana_dashboard, '1');
    assert.deepEqual(
      JSON.parse(data['orderonce.json']),
      JSON.parse(read('grafana/orderonce.json')),
    );
  });

  it('leaves the number of replicas to whatever scales them', () => {
    const replicas = (values: object) =>
      named(render(values), 'Deployment').map(({ spec }) => spec.replicas ?? null);
    assert.deepEqual(replicas({}), [null, 2]);
    assert.deepEqual(replicas(EVERYTHING), [null, null]);
    assert.deepEqual(replicas(FEWEST), [2, 2]);
  });

  it('runs each container as nobody, on a root that it cannot write, with limits', () => {
    for (const values of Object.values(VARIANTS)) {
      const pods = podsOf(render(values));
      assert.equal(pods.length, 3);
      for (const { securityContext: pod, containers, automountServiceAccountToken } of pods) {
        assert.deepEqual([pod.runAsNonRoot, pod.runAsUser], [true, 1000]);
        assert.equal(pod.seccompProfile.type, 'RuntimeDefault');
        assert.equal(automountServiceAccountToken, false);
        for (const { securityContext, resources } of containers) {
          assert.equal(securityContext.readOnlyRootFilesystem, true);
          assert.equal(securityContext.allowPrivilegeEscalation, false);
          assert.deepEqual(securityContext.capabilities.drop, ['ALL']);
          assert.ok(resources.limits.memory && resources.requests.cpu);
        }
      }
    }
  });

  it('takes every secret by reference, and gives the owner of the tables to migrate alone', () => {
    const secret = (pod: Manifest) =>
      Object.fromEntries(
        (pod.containers[0].env as Manifest[]).map(({ name, valueFrom }) => [
          name,
          valueFrom?.secretKeyRef?.name,
        ]),
      );
    const [producer, consumer, migrate] = podsOf(render(EVERYTHING)).map(secret);
    assert.equal(producer?.DATABASE_URL, undefined);
    assert.equal(consumer?.DATABASE_URL, 'orderonce-database');
    assert.equal(migrate?.DATABASE_URL, 'orderonce-migration');
    for (const pod of [producer, consumer, migrate]) {
      assert.equal(pod?.KAFKA_SASL_PASSWORD, 'kafka');
      assert.equal(pod?.OTEL_EXPORTER_OTLP_HEADERS, 'otlp');
    }
    assert.equal(named(render(EVERYTHING), 'Secret').length, 0);
  });

  it('mounts each file that it names in a setting', () => {
    for (const { containers, volumes } of podsOf(render(EVERYTHING))) {
      const [{ env, volumeMounts }] = containers as [Manifest];
      const mounts = volumeMounts.map(({ mountPath }: Manifest) => mountPath as string);
      const files = (env as Manifest[]).filter(({ name }) => /_FILE$/.test(name));
      for (const { name, value } of files) {
        assert.ok(
          mounts.some((mount: string) => (value as string).startsWith(`${mount}/`)),
          name,
        );
      }
      const names = (list: Manifest[]) => list.map(({ name }) => name).sort();
      assert.deepEqual(names(volumeMounts), names(volumes));
    }
  });

  it('gives every pod the environment and the volumes that are added', () => {
    const pods = podsOf(render(EVERYTHING));
    assert.equal(pods.length, 3);
    for (const { containers, volumes } of pods) {
      const [{ env, volumeMounts }] = containers as [Manifest];
      const has = (list: Manifest[], name: string) => list.some((one) => one.name === name);
      assert.ok(has(env, 'ACME_KEY') && has(volumeMounts, 'prices') && has(volumes, 'prices'));
    }
  });

  it("runs every pod from one image: ours in the version of the chart, or a team's own", () => {
    const images = (values: object) =>
      podsOf(render(values)).map(({ containers }) => containers[0].image as string);
    const own = { repository: 'registry.example/shop', tag: '1.0.0' };
    assert.deepEqual(images({}), Array(3).fill(`orderonce:${VERSION}`));
    assert.deepEqual(images({ image: own }), Array(3).fill('registry.example/shop:1.0.0'));
  });

  it('asks alive and ready of the port that the service listens on', () => {
    const ports = { producer: 8000, consumer: 8001 } as Record<string, number>;
    for (const { spec } of named(render(EVERYTHING), 'Deployment')) {
      const [container] = spec.template.spec.containers as [Manifest];
      assert.equal(container.ports[0].containerPort, ports[container.name]);
      assert.equal(container.livenessProbe.httpGet.path, '/health/live');
      assert.equal(container.readinessProbe.httpGet.path, '/health/ready');
      assert.equal(container.readinessProbe.httpGet.scheme, 'HTTPS');
      assert.deepEqual(container.args, [container.name]);
    }
  });

  it('names only settings that there are', () => {
    for (const values of Object.values(VARIANTS)) {
      const manifests = render(values);
      const [{ data }] = named(manifests, 'ConfigMap') as [Manifest];
      const env = podsOf(manifests).flatMap(({ containers }) => containers[0].env as Manifest[]);
      const names = [...Object.keys(data), ...env.map(({ name }) => name)];
      // HOSTNAME is the name of the pod, which a consumer uses to identify itself; ACME_KEY is added.
      const others = ['HOSTNAME', 'ACME_KEY'];
      const unknown = names.filter((name) => !(name in SETTINGS) && !others.includes(name));
      assert.deepEqual(unknown, []);
    }
  });

  it('lets other pods ask by the full names of its Services, and by those of the settings', () => {
    const services = named(render({}), 'Service').map(({ metadata }) => metadata.name as string);
    const hosts = (values: object) => {
      const [{ data }] = named(render(values), 'ConfigMap') as [Manifest];
      return (data.ALLOWED_HOSTS as string).split(',');
    };
    for (const values of [{}, { settings: { ALLOWED_HOSTS: 'orders.example,.b.example' } }]) {
      for (const service of services)
        assert.ok(hosts(values).includes(`${service}.default.svc.cluster.local`), service);
      readSettings({ ALLOWED_HOSTS: hosts(values).join(',') });
    }
    assert.ok(hosts({ settings: { ALLOWED_HOSTS: 'orders.example' } }).includes('orders.example'));
  });

  it('writes numbers as they are', () => {
    const values = { settings: { APPEND_QUEUE_MAX: 1_500_000, HANDLER_PARK_PERCENT_MAX: 0.5 } };
    const [{ data }] = named(render(values), 'ConfigMap') as [Manifest];
    assert.deepEqual([data.APPEND_QUEUE_MAX, data.HANDLER_PARK_PERCENT_MAX], ['1500000', '0.5']);
  });

  it('refuses values that it does not know, and secrets among the settings', () => {
    for (const [values, word] of [
      [{ producer: { replica: 3 } }, 'replica'],
      [{ settings: { KAFKA_SASL_PASSWORD: 'x' } }, 'settings'],
      [{ consumer: { replicas: 0 } }, 'replicas'],
    ] as const) {
      const { code, output } = helm(values);
      assert.notEqual(code, 0);
      assert.match(output, new RegExp(word));
    }
  });
});
