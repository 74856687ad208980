/** How outcomes and states are shown everywhere. */
import { state } from './dom.js';

const MOODS = {
  stored: 'good',
  duplicate: 'idle',
  conflict: 'look',
  failed: 'bad',
  invalid: 'bad',
  behind: 'look',
  changed: 'look',
  gone: 'idle',
  parked: 'bad',
  waiting: 'look',
  discarded: 'idle',
  unknown: 'idle',
  done: 'good',
  running: 'good',
  stopping: 'look',
  stopped: 'bad',
  fine: 'good',
  retrying: 'bad',
  unreachable: 'bad',
  missing: 'bad',
};

/** An outcome or a state as sign and word. */
export function outcome(word) {
  return state(MOODS[word] ?? 'idle', word);
}

const OUTCOMES = ['stored', 'duplicate', 'conflict', 'dead_letter'];

/** The class of a series of outcomes. */
export function outcomeClass(name) {
  const index = OUTCOMES.indexOf(name);
  return index < 0 ? 's7' : ['good', 's1', 'look', 'bad'][index];
}
