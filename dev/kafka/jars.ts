/** The jars of the broker, fetched by Maven. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BrokerOptions, VERSIONS } from './options.ts';

/** Fetches the jars with Maven, unless they are in the user's cache. @returns their folder. */
export async function fetchJars({
  mode,
  say,
}: Pick<BrokerOptions, 'mode' | 'say'>): Promise<string> {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  const jars = join(cache, 'orderonce', `kafka-${VERSIONS[mode]}`);
  if (existsSync(jars)) return jars;
  say?.(`Fetching Kafka ${VERSIONS[mode]} with Maven (45 MB, once)`);
  const pom = fileURLToPath(new URL(`pom-${VERSIONS[mode]}.xml`, import.meta.url));
  const partial = `${jars}.${process.pid}`;
  const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';
  const maven = spawnSync(
    'mvn',
    ['-q', '-B', '-f', pom, goal, '-DincludeScope=runtime', `-DoutputDirectory=${partial}`],
    { encoding: 'utf8' },
  );
  if (maven.status !== 0) throw new Error(`Maven failed: ${maven.stdout}${maven.stderr}`);
  await rename(partial, jars).catch(() => rm(partial, { recursive: true, force: true }));
  return jars;
}
