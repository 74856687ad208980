/** What the Grafana dashboard shows: a line per panel. dashboard.ts lays it out. */

/** How a panel is drawn. `stat`: one number; `heat`: a heat map of a histogram's buckets. */
export type Kind = 'lines' | 'stacked' | 'stat' | 'heat' | 'alerts' | 'table';

export type Panel = {
  readonly title: string;
  readonly kind: Kind;
  /** A unit of Grafana. */
  readonly unit: string;
  /** PromQL, and the legend of its series. */
  readonly queries: readonly (readonly [expr: string, legend: string])[];
};

export type Row = { readonly title: string; readonly panels: readonly Panel[] };

const panel = (
  title: string,
  kind: Kind,
  unit: string,
  ...queries: (readonly [string, string])[]
): Panel => ({ title, kind, unit, queries });

const rate = (what: string) => `rate(orderonce_${what}[$__rate_interval])`;
const quantile = (q: number, name: string, by = 'le') =>
  `histogram_quantile(${q}, sum by (${by}) (${rate(`${name}_bucket`)}))`;
const late = (window: string) =>
  `1 - sum(rate(orderonce_event_to_effect_seconds_bucket{le="5"}[${window}])) / sum(rate(orderonce_event_to_effect_seconds_count[${window}]))`;

export const ROWS: readonly Row[] = [
  {
    title: 'Objectives and alerts',
    panels: [
      panel('Firing alerts', 'alerts', 'none'),
      panel('In effect within 5 s (1 h)', 'stat', 'percentunit', [`1 - (${late('1h')})`, '']),
      panel('Answered with a verdict (1 h)', 'stat', 'percentunit', [
        '1 - sum(rate(orderonce_ingest_events_total{answer=~"unknown|refused"}[1h])) / sum(rate(orderonce_ingest_events_total[1h]))',
        '',
      ]),
      panel('Findings of the proof', 'stat', 'none', [
        'sum(max by (kind) (orderonce_proof_findings))',
        '',
      ]),
      panel(
        'Use of the freshness budget',
        'lines',
        'none',
        [`(${late('1h')}) / 0.001`, '1 h'],
        [`(${late('5m')}) / 0.001`, '5 min'],
      ),
      panel('Dependencies', 'lines', 'none', [
        'min by (job, dependency) (orderonce_dependency_up)',
        '{{job}} {{dependency}}',
      ]),
    ],
  },
  {
    title: 'Ingest',
    panels: [
      panel('Events by answer', 'stacked', 'cps', [
        `sum by (answer) (${rate('ingest_events_total')})`,
        '{{answer}}',
      ]),
      panel('Answer time', 'heat', 's', [
        `sum by (le) (${rate('ingest_seconds_bucket')})`,
        '{{le}}',
      ]),
      panel(
        'Append queue',
        'lines',
        'none',
        ['sum(orderonce_ingest_queued)', 'queued'],
        ['sum(orderonce_ingest_queue_limit)', 'limit'],
      ),
      panel('Oldest in the queue', 'lines', 's', [
        'max(orderonce_ingest_oldest_seconds)',
        'oldest',
      ]),
      panel(
        'Appends to the log',
        'lines',
        's',
        [quantile(0.5, 'append_seconds', 'le, result'), 'p50 {{result}}'],
        [quantile(0.99, 'append_seconds', 'le, result'), 'p99 {{result}}'],
      ),
      panel('Records of an append', 'lines', 'none', [quantile(0.5, 'append_records'), 'p50']),
      panel('Rejections', 'stacked', 'cps', [
        `sum by (field, problem) (${rate('ingest_rejections_total')}) > 0`,
        '{{field}} {{problem}}',
      ]),
      panel('Refused requests', 'stacked', 'cps', [
        `sum by (why) (${rate('access_refused_total')})`,
        '{{why}}',
      ]),
    ],
  },
  {
    title: 'Freshness',
    panels: [
      panel(
        'From event to effect',
        'lines',
        's',
        [quantile(0.5, 'event_to_effect_seconds'), 'p50'],
        [quantile(0.99, 'event_to_effect_seconds'), 'p99'],
      ),
      panel('Oldest record by partition', 'lines', 's', [
        'max by (partition) (orderonce_lag_seconds)',
        '{{partition}}',
      ]),
      panel('Records that wait by partition', 'stacked', 'none', [
        'max by (partition) (orderonce_lag_records)',
        '{{partition}}',
      ]),
    ],
  },
  {
    title: 'Outcomes',
    panels: [
      panel('Records by outcome', 'stacked', 'cps', [
        `sum by (outcome) (${rate('records_total')})`,
        '{{outcome}}',
      ]),
      panel('Records by type of event', 'stacked', 'cps', [
        `sum by (type, outcome) (${rate('typed_records_total')})`,
        '{{type}} {{outcome}}',
      ]),
      panel('Duplicates by source', 'stacked', 'cps', [
        `sum by (source) (${rate('duplicates_total')})`,
        '{{source}}',
      ]),
      panel('Offsets without a record', 'stacked', 'cps', [
        `sum by (reason) (${rate('log_gap_offsets_total')})`,
        '{{reason}}',
      ]),
    ],
  },
  {
    title: 'Consumer',
    panels: [
      panel('Time of a transaction by phase', 'stacked', 's', [
        `sum by (phase) (${rate('batch_seconds_sum')}) / scalar(sum(${rate('transactions_total')}))`,
        '{{phase}}',
      ]),
      panel(
        'Records of a transaction',
        'lines',
        'none',
        [quantile(0.5, 'batch_records'), 'p50'],
        [quantile(0.99, 'batch_records'), 'p99'],
      ),
      panel('Failed attempts', 'stacked', 'cps', [
        `sum by (code) (${rate('retries_total')})`,
        '{{code}}',
      ]),
      panel('Handlers', 'lines', 's', [
        quantile(0.99, 'handler_seconds', 'le, handler'),
        'p99 {{handler}}',
      ]),
      panel('Rebalances', 'lines', 'none', [
        'max by (instance) (increase(orderonce_rebalances_total[15m]))',
        '{{instance}}',
      ]),
      panel('Interruption by a rebalance', 'lines', 's', [
        quantile(0.99, 'rebalance_seconds'),
        'p99',
      ]),
      panel('Partitions not running', 'lines', 's', [
        'max by (partition, state, code) (orderonce_partition_trouble_seconds)',
        '{{partition}} {{state}} {{code}}',
      ]),
      panel(
        'Stopped and unattended partitions',
        'lines',
        'none',
        ['max by (code) (orderonce_stopped_partitions)', '{{code}}'],
        ['max(orderonce_unattended_partitions)', 'unattended'],
      ),
    ],
  },
  {
    title: 'Dead letters',
    panels: [
      panel('Dead letters', 'stacked', 'none', [
        'max by (state, reason) (orderonce_dead_letters) > 0',
        '{{state}} {{reason}}',
      ]),
      panel('Oldest', 'lines', 's', [
        'max by (state) (orderonce_dead_letter_oldest_seconds)',
        '{{state}}',
      ]),
      panel('Held orders', 'lines', 'none', ['max(orderonce_held_orders)', 'orders']),
      panel('Redrives', 'stacked', 'cps', [
        `sum by (outcome) (${rate('redriven_total')})`,
        '{{outcome}}',
      ]),
    ],
  },
  {
    title: 'Proof',
    panels: [
      panel('Age', 'lines', 's', ['max by (scope) (orderonce_proof_age_seconds)', '{{scope}}']),
      panel('Records behind', 'lines', 'none', ['max(orderonce_proof_behind_records)', 'behind']),
      panel('Findings', 'lines', 'none', ['max by (kind) (orderonce_proof_findings)', '{{kind}}']),
    ],
  },
  {
    title: 'Outbox',
    panels: [
      panel('Unpublished messages', 'lines', 'none', ['max(orderonce_outbox_pending)', 'pending']),
      panel('Oldest', 'lines', 's', ['max(orderonce_outbox_oldest_seconds)', 'oldest']),
      panel(
        'Published and failed',
        'lines',
        'cps',
        [`sum by (topic) (${rate('outbox_published_total')})`, '{{topic}}'],
        [`sum by (topic) (${rate('outbox_failures_total')})`, 'failed: {{topic}}'],
      ),
    ],
  },
  {
    title: 'Processes',
    panels: [
      panel('Releases', 'table', 'none', [
        'count by (service, version) (orderonce_build_info)',
        '{{service}} {{version}}',
      ]),
      panel('Event loop delay, p99', 'lines', 's', [
        'nodejs_eventloop_lag_p99_seconds',
        '{{instance}}',
      ]),
      panel('CPU', 'lines', 'none', [
        'rate(process_cpu_seconds_total[$__rate_interval])',
        '{{instance}}',
      ]),
      panel('Memory', 'lines', 'bytes', ['process_resident_memory_bytes', '{{instance}}']),
      panel('Certificates end in', 'lines', 's', [
        'min by (file) (orderonce_certificate_expiry_timestamp_seconds) - time()',
        '{{file}}',
      ]),
    ],
  },
];
