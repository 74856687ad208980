/** Checks that the files that `orderonce init` writes for containers agree with those of this repository. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SETTINGS } from '../src/settings/settings.ts';
import { assertCaredFor, ours, readCompose, type Service } from './compose.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(mkdtempSync(join(tmpdir(), 'orderonce-project-')), 'shop');
const read = (file: string) => readFileSync(join(folder, file), 'utf8');

before(() => {
  const cli = join(root, 'src/cli.ts');
  const { status, stderr } = spawnSync(process.execPath, [cli, 'init', folder]);
  assert.equal(status, 0, String(stderr));
});
after(() => rmSync(join(folder, '..'), { recursive: true }));

describe('The Dockerfile of a project', () => {
  const instructions = () => read('Dockerfile').match(/^[A-Z].*$/gm) as string[];

  it('starts from the image that this repository builds, in the same version', () => {
    const [image] = ours(readCompose(readFileSync(join(root, 'docker-compose.yml'), 'utf8')));
    const [name, tag] = (image as string).split(':');
    const [argument, from] = instructions();
    assert.equal(argument, `ARG ORDERONCE_TAG=${tag}`);
    assert.equal(from, `FROM ${name}:\${ORDERONCE_TAG}`);
    assert.ok(read('README.md').includes(`docker build -t ${image} `));
  });

  it('copies what its settings name, and those are the settings of npm start', () => {
    const [settings = ''] = instructions().filter((line) => line.startsWith('ENV '));
    const pairs = settings.slice('ENV '.length).split(' ');
    const copied = instructions().flatMap((line) => /^COPY (\S+) \S+$/.exec(line)?.[1] ?? []);
    for (const pair of pairs) assert.match(read('.env'), new RegExp(`^${pair}$`, 'm'));
    assert.deepEqual(
      pairs.map((pair) => pair.split('=')[1]),
      copied,
    );
    for (const file of copied) assert.ok(existsSync(join(folder, file)), file);
  });

  it('keeps everything else of the image: the command, the user, the health check', () => {
    const kinds = instructions().map((line) => line.split(' ')[0] as string);
    assert.deepEqual(kinds, ['ARG', 'FROM', 'WORKDIR', 'COPY', 'COPY', 'ENV']);
  });

  it('is the one that docs/handlers.md shows', () => {
    const page = readFileSync(join(root, 'docs/handlers.md'), 'utf8');
    assert.ok(page.includes(`\`\`\`dockerfile\n${instructions().join('\n')}\n\`\`\``));
  });

  it('never sees the passwords of .env', () => {
    assert.match(read('.dockerignore'), /^\.env$/m);
  });
});

describe('The compose.yaml of a project', () => {
  const own = () => readCompose(read('compose.yaml'));
  const repository = readCompose(readFileSync(join(root, 'docker-compose.yml'), 'utf8'));

  it('has a health check and a restart for each service, and starts them in order', () => {
    assertCaredFor(own());
    assert.deepEqual(ours(own()), ['shop', 'shop', 'shop']);
  });

  it('runs the same Kafka and the same PostgreSQL as docker-compose.yml', () => {
    const { kafka, postgres } = own();
    const without = ({ networks: _, deploy: __, ...rest }: Service) => rest;
    assert.deepEqual(without(kafka as Service), without(repository.kafka as Service));
    for (const part of ['image', 'healthcheck', 'restart'] as const) {
      assert.deepEqual(postgres?.[part], repository.postgres?.[part], part);
    }
  });

  it('gives its services settings that there are, and the database to those that use it', () => {
    const named = ['migrate', 'producer', 'consumer'].map((service) =>
      Object.keys(own()[service]?.environment ?? {}),
    );
    for (const setting of named.flat()) assert.ok(setting in SETTINGS, setting);
    assert.deepEqual(
      named.map((settings) => settings.includes('DATABASE_URL')),
      [true, false, true],
    );
  });

  it('takes from .env only what is there or has a default, and opens no port to the network', () => {
    const required = [...read('compose.yaml').matchAll(/\$\{([A-Z_]+):\?/g)].map(
      ([, name]) => name,
    );
    for (const name of required) assert.match(read('.env'), new RegExp(`^${name}=`, 'm'));
    const ports = Object.values(own()).flatMap(({ ports = [] }) => ports);
    assert.deepEqual(ports, ['127.0.0.1:8000:8000', '127.0.0.1:8001:8001']);
  });
});
