import type { Argument, Command } from './command.ts';
import { CONSUMER, DATABASE, EVENTS, HANDLERS, LOG } from './setting-groups.ts';

const PLACE: Argument = { name: 'PLACE' };
const PARTITION: Argument = { name: 'PARTITION' };
const NUMBER: Argument = { name: 'NUMBER' };

/** The commands that decide and repair. */
export const REPAIR: readonly Command[] = [
  {
    name: 'dead-letters',
    group: 'Repair',
    purpose: 'Lists, shows, redrives, edits and discards dead letters',
    about:
      'Lists, shows, redrives, edits and discards dead letters. PLACE is log/partition/offset, as "list" shows it. A consumer does what makes events take effect, with its own handlers; a redrive of many is a job there.',
    forms: [
      {
        action: 'list',
        args: [],
        flags: ['state', 'reason', 'event', 'order', 'limit', 'after', 'url', 'json'],
        about: 'Lists them in log order, each with the reason; 50 unless --limit says otherwise.',
      },
      { action: 'groups', args: [], flags: ['url', 'json'], about: 'Counts them by cause.' },
      {
        action: 'show',
        args: [PLACE],
        flags: ['url', 'json'],
        about: 'Shows one with its bytes.',
      },
      {
        action: 'audit',
        args: [PLACE],
        flags: ['url', 'json'],
        about: 'Shows all that was done to one.',
      },
      {
        action: 'redrive',
        args: [{ name: 'PLACE', isOptional: true }],
        flags: [
          ...(['all', 'reason', 'order', 'plan', 'count', 'why', 'rate', 'first'] as const),
          ...(['url', 'local', 'json'] as const),
        ],
        about:
          'Processes one again, or all parked ones that match, with those that wait behind them. Ctrl-C leaves the job running, and says how to stop it.',
      },
      {
        action: 'edit',
        args: [PLACE],
        flags: ['payload', 'url', 'local', 'json'],
        required: ['payload'],
        about: 'Redrives one with another payload.',
      },
      {
        action: 'discard',
        args: [PLACE],
        flags: ['reason', 'url', 'local', 'json'],
        required: ['reason'],
        about: 'Gives one up for good. It never takes effect.',
      },
    ],
    examples: [
      ['orderonce dead-letters groups', 'What failed, and how often.'],
      [
        'orderonce dead-letters redrive --reason refused_by_handler --plan',
        'How many match, and how the first would end. Nothing is changed.',
      ],
      [
        'orderonce dead-letters redrive --reason refused_by_handler --count 512 --why "charge is back"',
        'Redrives them. More than 100 need the count of the plan, and why.',
      ],
    ],
    settings: [...CONSUMER, ...DATABASE, ...EVENTS, ...HANDLERS],
    exits: {
      0: 'Everything you asked for is done. Records that are no valid events stay as they are.',
      1: 'An event failed again or stays behind another one, or the edit was refused.',
      2: 'The usage is wrong, a right is missing, or the handlers are not those of the deployment.',
      3: null,
      4: 'Nothing matches, or there is no dead letter at the place.',
      130: 'Ctrl-C. The job runs on.',
    },
    run: async (call) => (await import('./dead-letters.ts')).runDeadLetters(call),
  },
  {
    name: 'redrives',
    group: 'Repair',
    purpose: 'Lists, watches and stops redrives of many dead letters',
    about:
      'Lists, watches and stops the jobs that redrive or discard many dead letters. NUMBER is that of the job.',
    forms: [
      {
        action: 'list',
        args: [],
        flags: ['limit', 'url', 'json'],
        about: 'Lists them, the newest first; 20 unless --limit says otherwise.',
      },
      { action: 'show', args: [NUMBER], flags: ['url', 'json'], about: 'Shows one.' },
      {
        action: 'watch',
        args: [NUMBER],
        flags: ['url', 'json'],
        about: 'Shows the progress of one until it ends.',
      },
      {
        action: 'stop',
        args: [NUMBER],
        flags: ['url', 'json'],
        about: 'Stops one after the dead letter under way. What is done stays done.',
      },
    ],
    examples: [
      ['orderonce redrives', 'The newest jobs.'],
      ['orderonce redrives watch 7', 'Watches a job, also one that somebody else started.'],
      ['orderonce redrives stop 7', 'Stops it.'],
    ],
    settings: CONSUMER,
    exits: {
      0: null,
      1: 'The job that was watched was stopped, or something failed again.',
      2: null,
      3: null,
      4: 'There is no such job.',
      130: 'Ctrl-C. The job runs on.',
    },
    run: async (call) => (await import('./redrives.ts')).runRedrives(call),
  },
  {
    name: 'positions',
    group: 'Repair',
    purpose: 'Lists partitions, and lets a stopped one resume',
    about:
      'Lists the position and state of each partition, and lets a stopped one resume. "list" shows which of the other forms resolves the trouble; see docs/positions.md.',
    forms: [
      { action: 'list', args: [], flags: ['url', 'json'], about: 'Lists all partitions.' },
      {
        action: 'accept-gap',
        args: [PARTITION],
        flags: ['reason', 'topic', 'json'],
        required: ['reason'],
        about: 'Gives up offsets that retention has removed.',
      },
      {
        action: 'accept-cut',
        args: [PARTITION],
        flags: ['reason', 'topic', 'json'],
        required: ['reason'],
        about: 'Resumes where a truncated log first differs.',
      },
      {
        action: 'accept-new-log',
        args: [],
        flags: ['reason', 'topic', 'json'],
        required: ['reason'],
        about: 'Resumes at the start of a topic that was created again.',
      },
    ],
    examples: [
      ['orderonce positions', 'All partitions, and what holds them up.'],
      ['orderonce positions accept-gap 3 --reason "backup is older"', 'Gives up what is lost.'],
      ['orderonce positions --json', 'The same as GET /positions answers.'],
    ],
    settings: [...LOG, ...EVENTS, 'API_KEY'],
    exits: {
      0: null,
      1: 'A partition is stopped, retrying or unreachable; or there is nothing to accept.',
      2: null,
      3: null,
    },
    run: async (call) => (await import('./positions.ts')).runPositions(call),
  },
];
