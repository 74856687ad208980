import type { Command } from './command.ts';
import { CONSUMER, DATABASE, EVENTS, HANDLERS, LOG } from './setting-groups.ts';

/** The commands that show how a deployment does. They change nothing. */
export const LOOK: readonly Command[] = [
  {
    name: 'status',
    group: 'Look',
    purpose: 'Shows what needs somebody now, and the next step',
    about:
      'Shows what needs somebody now, why, since when, and the next step. A consumer is asked, and knows the whole deployment.',
    forms: [{ action: null, args: [], flags: ['url', 'json'] }],
    examples: [
      ['orderonce status', 'Asks the consumer on this machine.'],
      ['orderonce status --url http://consumer:8001', 'Asks another one.'],
      ['orderonce status --json', 'Prints what GET /overview answers.'],
    ],
    settings: CONSUMER,
    exits: {
      0: 'Nothing needs anybody.',
      1: 'Something needs somebody: see the causes.',
      2: null,
      3: 'No consumer answers.',
    },
    run: async (call) => (await import('./status.ts')).runStatus(call),
  },
  {
    name: 'top',
    group: 'Look',
    purpose: 'Shows the status each second',
    about:
      'Shows the status each second, in place. Press q to quit. Without a terminal, it prints a line each second.',
    forms: [{ action: null, args: [], flags: ['seconds', 'url', 'json'] }],
    examples: [
      ['orderonce top', 'Until you press q.'],
      ['orderonce top --seconds 60 >status.log', 'A line each second for a minute.'],
      ['orderonce top --url http://consumer:8001', 'Asks another consumer.'],
    ],
    settings: CONSUMER,
    exits: { 0: null, 2: null, 3: 'No consumer answers at first.' },
    run: async (call) => (await import('./top.ts')).runTop(call),
  },
  {
    name: 'find',
    group: 'Look',
    purpose: 'Says what an id or a place is, and what became of it',
    about:
      'Says what an id or a place is. ID is the id of an event, an order, a request or an outbox message, or a place such as 1/3/41. Of an event, its history is shown too.',
    forms: [{ action: null, args: [{ name: 'ID' }], flags: ['url', 'json'] }],
    examples: [
      ['orderonce find 7d1f5a1c-6c2e-4b8e-9a53-2f0b1f3f0a01', 'An event, with its history.'],
      ['orderonce find order_events/3/41', 'What is at a place of the topic.'],
      ['orderonce find 1/3/41 --json', 'Prints what GET /find answers.'],
    ],
    settings: CONSUMER,
    exits: { 0: null, 2: null, 3: null, 4: 'Nothing has this id.' },
    run: async (call) => (await import('./find.ts')).runFind(call),
  },
  {
    name: 'events',
    group: 'Look',
    purpose: 'Shows dead letters, conflicts and duplicates as they come',
    about:
      'Shows what happens in the whole deployment, as it happens, about a second later. After a cut it connects again and shows what it missed.',
    forms: [
      {
        action: 'tail',
        args: [],
        flags: ['only', 'seconds', 'url', 'json'],
        about: 'Prints a line per event until Ctrl-C.',
      },
    ],
    examples: [
      ['orderonce events tail', 'New dead letters, conflicts and duplicates.'],
      ['orderonce events tail --only redrive', 'Redrive jobs.'],
      ['orderonce events tail --seconds 60 --json', 'JSON, one object per line, for a minute.'],
    ],
    settings: CONSUMER,
    exits: { 0: null, 2: null, 3: 'No consumer answers at first.' },
    run: async (call) => (await import('./events.ts')).runEvents(call),
  },
  {
    name: 'lag',
    group: 'Look',
    purpose: 'Prints how many records are still to be processed',
    about: 'Prints how many records are still to be processed, by partition.',
    forms: [{ action: null, args: [], flags: ['url', 'json'] }],
    examples: [
      ['orderonce lag', 'A line per partition, and the sum.'],
      ['orderonce lag --json', 'The same as JSON.'],
      ['orderonce lag --kafka-topic other_events', 'Of another topic.'],
    ],
    settings: [...LOG, 'API_KEY'],
    exits: {
      0: 'The lag is known, whatever it is.',
      1: 'The lag of a partition is not known.',
      2: null,
      3: null,
    },
    run: async (call) => (await import('./positions.ts')).runLag(call),
  },
  {
    name: 'health',
    group: 'Look',
    purpose: 'Asks a service on this machine whether it is healthy',
    about:
      'Asks a service on this machine whether it is healthy, for checks of containers. Without a name, it asks whichever of them runs.',
    forms: [
      {
        action: null,
        args: [{ name: 'SERVICE', isOptional: true, values: ['producer', 'consumer'] }],
        flags: ['json'],
      },
    ],
    examples: [
      ['orderonce health', 'Prints "healthy", or the reasons, of what runs here.'],
      ['orderonce health producer', 'The same of the ingest API only.'],
      ['orderonce health consumer --json', 'The same as JSON.'],
    ],
    settings: ['HOST', 'PRODUCER_PORT', 'CONSUMER_PORT', 'TLS_CERT_FILE'],
    exits: { 0: 'Healthy.', 1: 'Not healthy, or no answer within 3 seconds.', 2: null },
    run: async (call) => (await import('./health.ts')).runHealth(call),
  },
];

/** The commands that prove what is right, or say what is wrong. */
export const PROVE: readonly Command[] = [
  {
    name: 'verify',
    group: 'Prove',
    purpose: 'Proves that every record has exactly one outcome',
    about:
      'Proves that every record has exactly one outcome and that the effects are right, or lists what contradicts it.',
    forms: [{ action: null, args: [], flags: ['against-log', 'receipts', 'json'] }],
    examples: [
      ['orderonce verify', 'Checks the tables, while consumers work.'],
      ['orderonce verify --against-log', 'Also compares them with the log, record by record.'],
      ['orderonce verify --receipts events.jsonl.receipts', 'Also looks for each receipt.'],
    ],
    settings: [...LOG, ...EVENTS, ...HANDLERS],
    exits: { 0: 'Proven.', 1: 'Not proven: see the findings.', 2: null, 3: null },
    run: async (call) => (await import('./verify.ts')).runVerify(call),
  },
  {
    name: 'proof',
    group: 'Prove',
    purpose: 'Shows the continuous proof and its findings',
    about:
      'Shows how fresh the continuous proof is, and what it has found. A finding stays until it is gone or somebody has acknowledged it.',
    forms: [
      { action: 'show', args: [], flags: ['json'], about: 'Shows the state and the findings.' },
      {
        action: 'acknowledge',
        args: [{ name: 'NUMBER' }],
        flags: ['reason', 'json'],
        required: ['reason'],
        about: 'Notes who has looked at a finding, and why it is no trouble.',
      },
    ],
    examples: [
      ['orderonce proof', 'How fresh it is, and what it has found.'],
      ['orderonce proof --json', 'The same as JSON.'],
      [
        'orderonce proof acknowledge 7 --reason "corrected by hand, ticket 12"',
        'The finding no longer counts.',
      ],
    ],
    settings: DATABASE,
    exits: {
      0: 'Proven, and fresh.',
      1: 'A finding is not acknowledged, or nothing was proven for 15 minutes.',
      2: null,
      3: null,
      4: 'There is no such finding.',
    },
    run: async (call) => (await import('./proof.ts')).runProof(call),
  },
  {
    name: 'doctor',
    group: 'Prove',
    purpose: 'Checks what the guarantees rest on',
    about:
      'Checks a running deployment (settings of topic and PostgreSQL, rights, clocks, health) and says what to do about each finding.',
    forms: [{ action: null, args: [], flags: ['json'] }],
    examples: [
      ['orderonce doctor', 'A line per check, with the remedy.'],
      ['orderonce doctor --json', 'The findings as JSON.'],
      ['orderonce doctor --host 10.0.0.7', 'Asks services at another address for their health.'],
    ],
    settings: [...LOG, ...EVENTS, ...HANDLERS, ...CONSUMER, 'PRODUCER_PORT', 'SESSION_TIMEOUT_MS'],
    exits: {
      0: 'No check fails. Warnings are no failures.',
      1: 'A check fails.',
      2: null,
      3: null,
    },
    run: async (call) => (await import('./doctor.ts')).runDoctor(call),
  },
];
