/** Joins of two queries (spec 06 §5.1, 09 §7). */
import { didYouMean } from '../core/spelling.ts'
import { QueryError } from '../errors.ts'
import { type Column, checkUnique, findColumn, visible } from './column.ts'
import { columnProxy } from './column-proxy.ts'
import { and, type BoolExpr, Expr, Expression } from './expression.ts'
import { columnTerm, type JoinKind, type Relation } from './relation.ts'
import { resolveCondition } from './resolve.ts'
import type { AnyRow, Cols, Suffixes } from './row-types.ts'
import type { Term } from './term.ts'

type Names<K> = (K & string) | readonly (K & string)[]
export type JoinOn<L = AnyRow, R = AnyRow, H extends JoinKind = JoinKind> =
  | Names<keyof L & keyof R>
  | { readonly left: Names<keyof L>; readonly right: Names<keyof R>; readonly how?: H }
  | ((left: Cols<L>, right: Cols<R>) => BoolExpr)
export interface JoinOptions<H extends JoinKind = JoinKind, S extends Suffixes = Suffixes> {
  /** Default `inner`. `semi` and `anti` keep the left columns only. */
  how?: H
  /** Put behind names that both sides have; default `['', '_right']`. */
  suffixes?: S
}

const KINDS: readonly JoinKind[] = ['inner', 'left', 'right', 'full', 'semi', 'anti']

export function joinRelation(left: Relation, right: Relation, on: JoinOn, options: JoinOptions): Relation {
  const how = options.how ?? (isPairs(on) ? on.how : undefined) ?? 'inner'
  if (!KINDS.includes(how)) throw problem(`no kind '${how}'${didYouMean(how, KINDS)}; there are ${KINDS.join(', ')}`)
  const ours = visible(left.columns, 'join')
  const theirs = visible(right.columns, 'join')
  const condition = conditionOf(on, ours, theirs)
  const scope = { columns: { left: ours, right: theirs }, where: 'join' }
  const outputs = how === 'semi' || how === 'anti' ? leftOnly(ours) : both(ours, theirs, options.suffixes)
  checkUnique(
    outputs.map(([column]) => column.name),
    "join (select() the columns you need before, or give suffixes: ['', '_other'])",
  )
  return {
    kind: 'join',
    left,
    right,
    how,
    on: resolveCondition(condition.draft, scope),
    terms: outputs.map(([, term]) => term),
    columns: outputs.map(([column]) => column),
  }
}

function conditionOf(on: JoinOn, ours: readonly Column[], theirs: readonly Column[]): Expression {
  if (typeof on === 'function') {
    const sides = [columnProxy(ours, 'join', 'left'), columnProxy(theirs, 'join', 'right')] as [
      Cols<AnyRow>,
      Cols<AnyRow>,
    ]
    const condition: unknown = on(...sides)
    if (condition instanceof Expression) return condition
    throw problem('the callback must return an expression, such as (l, r) => l.a.eq(r.b)')
  }
  const [left, right] = isPairs(on)
    ? [namesOf(on.left), namesOf(on.right)]
    : [namesOf(on as string), namesOf(on as string)]
  if (left.length === 0 || left.length !== right.length) throw problem('name the same number of columns on both sides')
  return and(
    ...left.map((name, i) => {
      const other = findColumn(theirs, right[i] as string, 'join').name
      const mine = new Expr({ op: 'column', name: findColumn(ours, name, 'join').name, side: 'left' })
      return mine.eq(new Expr({ op: 'column', name: other, side: 'right' }))
    }),
  )
}

function isPairs(on: JoinOn): on is { left: string | string[]; right: string | string[]; how?: JoinKind } {
  return typeof on === 'object' && !Array.isArray(on)
}

function namesOf(names: string | readonly string[]): readonly string[] {
  return typeof names === 'string' ? [names] : names
}

function sided(column: Column, side: 'left' | 'right'): Term {
  return { ...columnTerm(column), side }
}

function leftOnly(ours: readonly Column[]): [Column, Term][] {
  return ours.map((column) => [column, sided(column, 'left')])
}

function both(
  ours: readonly Column[],
  theirs: readonly Column[],
  suffixes: readonly [string, string] = ['', '_right'],
): [Column, Term][] {
  const shared = new Set(
    ours.map((column) => column.name).filter((name) => theirs.some((other) => other.name === name)),
  )
  const named = (column: Column, suffix: string): Column =>
    shared.has(column.name) ? { ...column, name: column.name + suffix } : column
  return [
    ...ours.map((column): [Column, Term] => [named(column, suffixes[0]), sided(column, 'left')]),
    ...theirs.map((column): [Column, Term] => [named(column, suffixes[1]), sided(column, 'right')]),
  ]
}

function problem(message: string): QueryError {
  return new QueryError(`join: ${message}`, { code: 'E_QUERY_STEP', details: { step: 'join' } })
}
