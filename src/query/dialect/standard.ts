/** Function SQL that means the same on every database we support. */
import type { FunctionSql } from '../dialect.ts'
import { type Fragment, join, text } from '../fragment.ts'

const [NONE]: Fragment[] = [[]]
const at = (args: readonly Fragment[], i: number): Fragment => args[i] ?? (NONE as Fragment)

function infix(operator: string): FunctionSql {
  return (args) => text`(${at(args, 0)} ${operator} ${at(args, 1)})`
}
function named(name: string): FunctionSql {
  return (args) => text`${name}(${join(args, ', ')})`
}
function chain(operator: string): FunctionSql {
  return (args) => text`(${join(args, ` ${operator} `)})`
}
/** `in ()` is no SQL: an empty list matches nothing, `not in` of it everything. */
function list(operator: 'in' | 'not in'): FunctionSql {
  return ([value, ...items]) => {
    if (items.length === 0) return operator === 'in' ? ['(1 = 0)'] : ['(1 = 1)']
    return text`(${value as Fragment} ${operator} (${join(items, ', ')}))`
  }
}

const caseWhen: FunctionSql = (args) => {
  const branches: Fragment[] = []
  for (let i = 0; i + 1 < args.length; i += 2) branches.push(text`when ${at(args, i)} then ${at(args, i + 1)}`)
  return text`case ${join(branches, ' ')} else ${at(args, args.length - 1)} end`
}

export const standard = {
  eq: infix('='),
  ne: infix('<>'),
  gt: infix('>'),
  gte: infix('>='),
  lt: infix('<'),
  lte: infix('<='),
  between: (args) => text`(${at(args, 0)} between ${at(args, 1)} and ${at(args, 2)})`,
  in: list('in'),
  notIn: list('not in'),
  isNull: (args) => text`(${at(args, 0)} is null)`,
  notNull: (args) => text`(${at(args, 0)} is not null)`,
  and: chain('and'),
  or: chain('or'),
  not: (args) => text`(not ${at(args, 0)})`,
  add: infix('+'),
  sub: infix('-'),
  mul: infix('*'),
  neg: (args) => text`(- ${at(args, 0)})`,
  abs: named('abs'),
  lower: named('lower'),
  upper: named('upper'),
  length: named('length'),
  concat: chain('||'),
  coalesce: named('coalesce'),
  case: caseWhen,
  count: (args) => (args.length === 0 ? ['count(*)'] : text`count(${at(args, 0)})`),
  countDistinct: (args) => text`count(distinct ${at(args, 0)})`,
  sum: named('sum'),
  avg: named('avg'),
  min: named('min'),
  max: named('max'),
  rowNumber: named('row_number'),
  rank: named('rank'),
  lag: named('lag'),
  lead: named('lead'),
} as const satisfies Record<string, FunctionSql>
