/**
 * The committed list of everything that needs a rule with a proof: one id per error and warning code (spec 01 §5,
 * 10 §3.8), expression function (02 §7), coercion cell (03 §3.1) and equivalence (03 §12). Written from the spec, not
 * from code.
 */

const codes = (letter: string, last: number): string[] =>
  Array.from({ length: last }, (_, i) => `${letter}${String(i + 1).padStart(2, '0')}`)

export const ERROR_CODES = codes('E', 32)
export const WARNING_CODES = codes('W', 13)
export const PIPELINE_CODES = [...codes('P', 12), 'PW1', 'PW2', 'PW3', 'PW4', 'PW5']

/** The 38 functions of 02 §7; `contains` and `len` count once per argument type. */
export const FUNCTIONS = [
  'str::to_lowercase',
  'str::to_uppercase',
  'str::trim',
  'str::substring',
  'starts_with',
  'ends_with',
  'contains.String',
  'contains.Array',
  'replace',
  'regex_match',
  'regex_extract',
  'to_string',
  'len.String',
  'len.Array',
  'math::abs',
  'floor',
  'ceil',
  'round',
  'min',
  'max',
  'now',
  'days_between',
  'hours_between',
  'minutes_between',
  'days_since',
  'year_of',
  'month_of',
  'day_of',
  'hour_of',
  'minute_of',
  'day_of_week',
  'date_trunc',
  'parse_datetime',
  'split',
  'join',
  'to_int',
  'to_float',
  'coalesce',
] as const

export const COERCE_FROM = [
  'String',
  'Int',
  'Float',
  'Bool',
  'DateTime',
  'Duration',
  'Array',
  'Object',
  'Null',
] as const
export const COERCE_TO = ['string', 'number', 'integer', 'boolean', 'datetime'] as const

export const EQUIVALENCES = ['eq.1', 'eq.2', 'eq.3', 'eq.4', 'eq.5', 'eq.6'] as const

/** Every id that must have at least one rule. */
export const REQUIRED_IDS: readonly string[] = [
  ...ERROR_CODES,
  ...WARNING_CODES,
  ...PIPELINE_CODES,
  ...FUNCTIONS.map((name) => `fn.${name}`),
  ...COERCE_FROM.flatMap((from) => COERCE_TO.map((to) => `coerce.${from}.${to}`)),
  ...EQUIVALENCES,
]
