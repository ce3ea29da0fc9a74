/** The functions of column expressions: what they take and what they yield (spec 06 §5.2). SQL is the dialect's part. */
import type { PropertyType } from '../core/definition/model.ts'

/**
 * What an argument must be. `same`: one common type with the other `same` arguments (integer and number mix);
 * `ordered`: as `same`, but not boolean; `pattern`, `path`, `unit`, `digits`: a plain value, not an expression.
 */
export type ArgumentRule =
  | 'any'
  | 'same'
  | 'ordered'
  | 'numeric'
  | 'string'
  | 'boolean'
  | 'datetime'
  | 'pattern'
  | 'path'
  | 'unit'
  | 'digits'
/** `argument`: the common type of the arguments; `numeric`: integer if every argument is one, else number. */
export type ResultRule = PropertyType | 'argument' | 'numeric'

export interface Signature {
  readonly kind: 'scalar' | 'aggregate' | 'window'
  /** The last rule holds for all further arguments up to `most`. */
  readonly args: readonly ArgumentRule[]
  readonly least: number
  readonly most: number
  readonly result: ResultRule
  /** Null values are allowed as arguments. */
  readonly nulls?: true
}

function scalar(args: readonly ArgumentRule[], result: ResultRule, least = args.length, most = least): Signature {
  return { kind: 'scalar', args, result, least, most }
}
function aggregate(args: readonly ArgumentRule[], result: ResultRule, least = args.length): Signature {
  return { kind: 'aggregate', args, result, least, most: args.length }
}
function window(args: readonly ArgumentRule[], result: ResultRule, least = args.length): Signature {
  return { kind: 'window', args, result, least, most: args.length }
}
const MANY = 1000

const compare = scalar(['same', 'same'], 'boolean')
const order = scalar(['ordered', 'ordered'], 'boolean')
const logic = scalar(['boolean'], 'boolean', 1, MANY)
const list = scalar(['same'], 'boolean', 1, MANY)
const arithmetic = scalar(['numeric', 'numeric'], 'numeric')
const datePart = scalar(['datetime'], 'integer')

export const FUNCTIONS = {
  eq: compare,
  ne: compare,
  gt: order,
  gte: order,
  lt: order,
  lte: order,
  between: scalar(['ordered'], 'boolean', 3),
  in: list,
  notIn: list,
  /** The second argument is a bound JSON array of texts: a list of any length, which meets an index of the column. */
  among: scalar(['string', 'string'], 'boolean'),
  /** Not for callers: a condition that holds for most rows, so that an index over it is of no use. */
  likely: scalar(['boolean'], 'boolean'),
  isNull: scalar(['any'], 'boolean'),
  notNull: scalar(['any'], 'boolean'),
  like: scalar(['string', 'pattern'], 'boolean'),
  ilike: scalar(['string', 'pattern'], 'boolean'),
  startsWith: scalar(['string', 'string'], 'boolean'),
  contains: scalar(['string', 'string'], 'boolean'),
  and: logic,
  or: logic,
  not: scalar(['boolean'], 'boolean'),
  add: arithmetic,
  sub: arithmetic,
  mul: arithmetic,
  div: scalar(['numeric', 'numeric'], 'number'),
  mod: arithmetic,
  neg: scalar(['numeric'], 'numeric'),
  abs: scalar(['numeric'], 'numeric'),
  round: scalar(['numeric', 'digits'], 'number'),
  lower: scalar(['string'], 'string'),
  upper: scalar(['string'], 'string'),
  length: scalar(['string'], 'integer'),
  concat: scalar(['string'], 'string', 1, MANY),
  coalesce: { ...scalar(['same'], 'argument', 1, MANY), nulls: true },
  /** Arguments: condition, value, condition, value, …, otherwise. */
  case: { ...scalar(['same'], 'argument', 3, MANY), nulls: true },
  cast: scalar(['any'], 'string'),
  year: datePart,
  month: datePart,
  day: datePart,
  date: scalar(['datetime'], 'string'),
  dateTrunc: scalar(['datetime', 'unit'], 'datetime'),
  /** `to` says which kind of JSON value. */
  jsonPath: scalar(['string', 'path'], 'string'),
  count: aggregate(['any'], 'integer', 0),
  countDistinct: aggregate(['any'], 'integer'),
  sum: aggregate(['numeric'], 'numeric'),
  avg: aggregate(['numeric'], 'number'),
  min: aggregate(['ordered'], 'argument'),
  max: aggregate(['ordered'], 'argument'),
  first: aggregate(['any'], 'argument'),
  last: aggregate(['any'], 'argument'),
  rowNumber: window([], 'integer'),
  rank: window([], 'integer'),
  lag: window(['any', 'digits'], 'argument'),
  lead: window(['any', 'digits'], 'argument'),
} as const satisfies Record<string, Signature>

export type FunctionName = keyof typeof FUNCTIONS

export function signatureOf(fn: FunctionName): Signature {
  return FUNCTIONS[fn]
}

/**
 * What `cast` turns into what, with one meaning on every database: number to integer cuts the fraction; text that is no
 * JSON number becomes null; an instant's text is its canonical form. Other pairs differ between databases and are
 * refused.
 */
export const CASTS: Readonly<Record<PropertyType, readonly PropertyType[]>> = {
  string: ['string', 'number', 'integer'],
  number: ['number', 'integer'],
  integer: ['integer', 'number', 'string'],
  boolean: ['boolean', 'integer', 'string'],
  datetime: ['datetime', 'string'],
}

/** Kinds of JSON values that `jsonPath` reads. */
export const JSON_KINDS = ['string', 'number', 'integer', 'boolean'] as const satisfies readonly PropertyType[]

export const DATE_UNITS: readonly string[] = ['year', 'quarter', 'month', 'week', 'day', 'hour', 'minute', 'second']
