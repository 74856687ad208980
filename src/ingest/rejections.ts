/**
 * What can be wrong with an event, as labels of a metric. The client chooses the names of unknown
 * fields, so they are not labels.
 */
import type { FieldError } from '../event/field-error.ts';

const TEXT = ['string_type', 'string_too_short', 'string_too_long', 'string_unicode'];
/** Text ids of other systems are checked as text. */
const ID = ['uuid_type', 'uuid_parsing', ...TEXT];
const PROBLEMS: Readonly<Record<string, readonly string[]>> = {
  event_id: ID,
  order_id: ID,
  user_id: TEXT,
  total_amount: [
    'decimal_type',
    'decimal_parsing',
    'greater_than',
    'not_equal',
    'extra_forbidden',
    'decimal_whole_digits',
    'decimal_max_places',
  ],
  timestamp: ['datetime_type', 'datetime_parsing', 'timezone_aware'],
  type: ['string_pattern_mismatch', 'unknown_type'],
  version: ['int_parsing', 'unknown_version'],
  // What else a schema of a team refuses in the data is counted by the name that it has there.
  data: [
    'extra_forbidden',
    'number_not_exact',
    'string_unicode',
    'nesting_too_deep',
    'value_error',
  ],
  body: [
    'missing',
    'json_invalid',
    'model_attributes_type',
    'too_long',
    'encoding_invalid',
    'record_too_large',
    'record_refused',
  ],
  other: ['extra_forbidden', 'duplicate_key'],
};
const OF_EACH = ['missing', 'duplicate_key'];

export type Rejection = { readonly field: string; readonly problem: string };

/** All that `kindOf` can return, except for problems that this list does not know. */
export const REJECTIONS: readonly Rejection[] = Object.entries(PROBLEMS).flatMap(
  ([field, problems]) => {
    const all = field === 'body' || field === 'other' ? problems : [...problems, ...OF_EACH];
    return all.map((problem) => ({ field, problem }));
  },
);

/** The labels of an error. Pure. */
export function kindOf({ type, loc }: FieldError): Rejection {
  const [, name] = loc;
  if (typeof name !== 'string') return { field: 'body', problem: type };
  const isField = Object.hasOwn(PROBLEMS, name) && name !== 'body' && name !== 'other';
  return { field: isField ? name : 'other', problem: type };
}
