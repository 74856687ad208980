#!/usr/bin/env node
// Runs the TypeScript file in the first argument with Node 24, or says that Node 24 is missing. It
// is plain JavaScript, so that older versions of Node can run it. npm puts the Node 24 that it has
// installed first on PATH; an older Node runs this file only if npm had none for the platform, or
// outside of npm.
//
// The module is imported as a whole, because an older Node does not have the export that is used
// below. A named import would end the process before the message.
import * as nodeModule from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 12)) {
  console.error(
    `Orderonce needs Node 24.12 or newer; this is ${process.versions.node}.\n` +
      'On Linux and Windows, "npm ci" installs it: run the command through npm ("npm start", ' +
      '"npx orderonce ..."). On other systems, install Node 24 first (https://nodejs.org).',
  );
  process.exit(78);
}
nodeModule.enableCompileCache();
const file = process.argv[2];
process.argv.splice(1, 1);
await import(pathToFileURL(resolve(file)).href);
