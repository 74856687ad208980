#!/usr/bin/env node
// The npm package has compiled code in dist/. A clone and the images have src/, which Node runs
// directly.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const source = fileURLToPath(new URL('../src/cli.ts', import.meta.url));
const compiled = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
process.argv.splice(2, 0, existsSync(source) ? source : compiled);
await import('./with-node-24.js');
