/** Which page has which path. The first one is shown for an unknown path. */
import * as conflicts from './pages/conflicts.js';
import * as deadLetters from './pages/dead-letters.js';
import * as doctor from './pages/doctor.js';
import * as duplicates from './pages/duplicates.js';
import * as event from './pages/event.js';
import * as find from './pages/find.js';
import * as letter from './pages/letter.js';
import * as order from './pages/order.js';
import * as overview from './pages/overview.js';
import * as partitions from './pages/partitions.js';
import * as proof from './pages/proof.js';
import * as redrive from './pages/redrive.js';
import * as redrives from './pages/redrives.js';

export const PAGES = [
  ['/console', overview],
  ['/', overview],
  ['/console/find', find],
  ['/console/events/*', event],
  ['/console/orders/*', order],
  ['/console/dead-letters', deadLetters],
  ['/console/dead-letters/*', letter],
  ['/console/redrives', redrives],
  ['/console/redrives/*', redrive],
  ['/console/conflicts', conflicts],
  ['/console/duplicates', duplicates],
  ['/console/partitions', partitions],
  ['/console/proof', proof],
  ['/console/doctor', doctor],
];
