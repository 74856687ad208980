#!/usr/bin/env node
// Plain JavaScript that any Node can read: it runs the TypeScript file named by the first
// argument, or says in one line which Node is missing. npm puts the Node 24 that it installed
// first on PATH; this file only meets an older one where npm had none for the platform.
// Whole: an older Node has no such export, and would end here without saying what it lacks.
import * as nodeModule from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 12)) {
  console.error(
    `Orderonce needs Node 24.12 or newer; this is ${process.versions.node}.\n` +
      'On Linux and Windows "npm ci" brings it and "npm start" uses it; run the command through npm ' +
      '("npm start", "npx orderonce ..."). Elsewhere install Node 24 first (https://nodejs.org).',
  );
  process.exit(78);
}
nodeModule.enableCompileCache();
const file = process.argv[2];
process.argv.splice(1, 1);
await import(pathToFileURL(resolve(file)).href);
