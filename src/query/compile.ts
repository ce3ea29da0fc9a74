/**
 * Relational tree → one SELECT statement. Steps are folded into one SELECT block as long as that keeps their meaning;
 * otherwise the block becomes a sub-select and a new one begins.
 */
import { QueryError } from '../errors.ts'
import type { QueryReader } from '../ports/reading.ts'
import type { ColumnType } from './column.ts'
import type { Dialect } from './dialect.ts'
import { type Fragment, finish, join, text } from './fragment.ts'
import { signatureOf } from './functions.ts'
import {
  type AggregateRelation,
  columnTerm,
  type JoinRelation,
  type MergedRelation,
  type RawRelation,
  type Relation,
  tableSql,
  withoutHidden,
} from './relation.ts'
import { type CallTerm, isFixed, type OrderTerm, partsOf, someTerm, substitute, type Term } from './term.ts'

export interface Statement {
  readonly text: string
  readonly params: readonly unknown[]
}

/** The statement that returns the relation's visible columns, in order. */
export function compile(relation: Relation, dialect: Dialect, reader: QueryReader): Statement {
  const compiler = new Compiler(dialect, reader)
  // Hand-written SQL without further steps runs as it is, its own ORDER BY at the top.
  if (relation.kind === 'raw') return finish(compiler.raw(relation), dialect.placeholder)
  return finish(compiler.render(compiler.block(withoutHidden(relation))), dialect.placeholder)
}

/** One SELECT in the making. Terms are over the columns of `from`. */
interface Block {
  readonly from: Fragment
  /** Where columns that are not known by name come from. */
  readonly alias: string
  /** Output columns; null: whatever `from` has. */
  readonly columns: ReadonlyMap<string, Term> | null
  readonly where: readonly Term[]
  /** Grouping keys; null: no grouping. Empty: one group over everything. */
  readonly keys: readonly Term[] | null
  readonly having: readonly Term[]
  readonly order: readonly OrderTerm[]
  readonly distinct: boolean
  readonly limit: number | null
  readonly offset: number
}

class Compiler {
  readonly #dialect: Dialect
  readonly #reader: QueryReader
  #aliases = 0

  constructor(dialect: Dialect, reader: QueryReader) {
    this.#dialect = dialect
    this.#reader = reader
  }

  block(relation: Relation): Block {
    switch (relation.kind) {
      case 'table': {
        const alias = this.#alias()
        const from = text`${tableSql(this.#reader, relation.table)} as ${alias}`
        return source(from, relation.columns, alias)
      }
      case 'raw': {
        return this.#rawBlock(relation)
      }
      case 'deferred': {
        throw new QueryError('the rows of a graph search are fetched when the query runs: there is no SQL before', {
          code: 'E_QUERY_DEFERRED',
        })
      }
      case 'loaded': {
        const alias = this.#alias()
        const from = text`(${this.#dialect.unnested(relation.rows, relation.columns)}) as ${alias}`
        return source(from, relation.columns, alias)
      }
      case 'filter': {
        // A filter below a window would change what the window sees.
        const late = (b: Block): boolean => b.limit !== null || b.distinct || hasFixedColumn(b)
        const input = this.#for([relation.where], this.block(relation.input), late)
        const where = inline(relation.where, input)
        return input.keys === null
          ? { ...input, where: [...input.where, where] }
          : { ...input, having: [...input.having, where] }
      }
      case 'project': {
        const fixed = relation.terms.some(isFixed)
        const input = this.#for(
          relation.terms.filter(readsJson),
          this.block(relation.input),
          // One row over everything is no longer one where no aggregate is left to say so.
          (b) => b.distinct || b.keys?.length === 0 || (fixed && (b.limit !== null || b.keys !== null)),
        )
        const terms = relation.terms.map((term) => inline(term, input))
        return { ...input, columns: new Map(relation.columns.map((column, i) => [column.name, terms[i] as Term])) }
      }
      case 'order': {
        const sorted = relation.keys.map((item) => item.key).filter(readsJson)
        const input = this.#for(sorted, this.block(relation.input), (b) => b.limit !== null || b.distinct)
        const keys = relation.keys.map((item) => ({ ...item, key: inline(item.key, input) }))
        return { ...input, order: [...keys, ...input.order] }
      }
      case 'limit': {
        const input = this.#for([], this.block(relation.input), (b) => b.limit !== null)
        return { ...input, limit: relation.limit, offset: relation.offset }
      }
      case 'distinct': {
        const input = this.#for([], this.block(relation.input), (b) => b.limit !== null || b.keys !== null)
        return { ...input, distinct: true, order: [] }
      }
      case 'aggregate':
        return this.#aggregate(relation)
      case 'union': {
        const alias = this.#alias()
        const [left, right] = [relation.left, relation.right].map((side) => this.#operand(side))
        const operator = relation.distinct ? 'union' : 'union all'
        return source(text`(${left as Fragment} ${operator} ${right as Fragment}) as ${alias}`, relation.columns, alias)
      }
      case 'join':
        return this.#join(relation)
      case 'merged':
        return this.#merged(relation)
    }
  }

  render(block: Block): Fragment {
    const { columns, keys } = block
    const list =
      columns === null
        ? ['*']
        : join(
            [...columns].map(([name, term]) => text`${this.term(term)} as ${this.#dialect.quote(name)}`),
            ', ',
          )
    let sql = text`select ${block.distinct ? 'distinct ' : ''}${list} from ${block.from}`
    if (block.where.length > 0) sql = text`${sql} where ${this.#all(block.where)}`
    if (keys !== null && keys.length > 0) {
      sql = text`${sql} group by ${join(
        keys.map((key) => this.term(key)),
        ', ',
      )}`
    }
    if (block.having.length > 0) sql = text`${sql} having ${this.#all(block.having)}`
    if (block.order.length > 0) sql = text`${sql} order by ${this.#order(block.order)}`
    if (block.limit !== null || block.offset > 0) sql = text`${sql}${this.#dialect.limit(block.limit, block.offset)}`
    return sql
  }

  term(term: Term): Fragment {
    switch (term.op) {
      case 'column':
        return text`${term.source ?? ''}.${this.#dialect.quote(term.name)}`
      case 'value':
        return this.#dialect.value(term.value, term.type)
      case 'sql': {
        const args = term.args.map((arg) => this.term(arg))
        return term.parts.flatMap((part, i) => [part, ...(args[i] ?? [])])
      }
      case 'call':
        return this.#call(term)
    }
  }

  #call(term: CallTerm): Fragment {
    // Hand-written SQL may be of several parts, which an operator or a cast would tear apart.
    const isScalar = signatureOf(term.fn).kind === 'scalar'
    const args = term.args.map((arg) => (isScalar && arg.op === 'sql' ? text`(${this.term(arg)})` : this.term(arg)))
    const [first] = args as [Fragment]
    const plain = this.#plainCall(term, args, first)
    if (term.over === undefined) return plain
    const parts: Fragment[] = []
    if (term.over.partitionBy.length > 0) {
      parts.push(
        text`partition by ${join(
          term.over.partitionBy.map((part) => this.term(part)),
          ', ',
        )}`,
      )
    }
    if (term.over.orderBy.length > 0) parts.push(text`order by ${this.#order(term.over.orderBy)}`)
    return text`${plain} over (${join(parts, ' ')})`
  }

  #plainCall(term: CallTerm, args: readonly Fragment[], first: Fragment): Fragment {
    const type: ColumnType = term.args[0]?.type ?? 'unknown'
    if (term.fn === 'cast') {
      return term.to === undefined || term.to === type ? first : this.#dialect.cast(first, type, term.to)
    }
    if (term.fn === 'first' || term.fn === 'last') {
      const order = term.fn === 'last' ? (term.order ?? []).flatMap(backwards) : (term.order ?? [])
      return this.#dialect.firstOf(first, this.#order(order), type)
    }
    return this.#dialect.functions[term.fn](args, term)
  }

  #order(order: readonly OrderTerm[]): Fragment {
    const keys = order.map((item) => this.#dialect.orderKey(this.term(item.key), item.descending, item.key.type))
    return join(keys, ', ')
  }

  #all(terms: readonly Term[]): Fragment {
    return join(
      terms.map((term) => this.term(term)),
      ' and ',
    )
  }

  #aggregate(relation: AggregateRelation): Block {
    let input = this.block(relation.input)
    const keyTerms = relation.keys.map((name) => input.columns?.get(name))
    // A computed key would appear twice with its own bound values, which databases do not take as the same key.
    const computed = input.columns !== null && keyTerms.some((term) => term?.op !== 'column')
    const whole = (b: Block): boolean => b.limit !== null || b.distinct || b.keys !== null || computed
    input = this.#for([...relation.measures, ...relation.having], input, whole)
    const keys = relation.keys.map((name) => columnOf(input, name))
    const measures = relation.measures.map((term) => inline(term, input))
    const columns = relation.columns.map((column, i): [string, Term] => [
      column.name,
      (i < keys.length ? keys[i] : measures[i - keys.length]) as Term,
    ])
    const having = relation.having.map((term) => inline(term, input))
    return { ...input, keys, having, columns: new Map(columns), order: [] }
  }

  #join(relation: JoinRelation): Block {
    const left = this.#alias()
    const right = this.#alias()
    const [leftSql, rightSql] = [relation.left, relation.right].map((side) => this.#operand(side, true))
    const at = (term: Term): Term =>
      substitute(term, (column) => ({ ...column, source: column.side === 'right' ? right : left }))
    const on = this.term(at(relation.on))
    const columns = new Map(relation.columns.map((column, i) => [column.name, at(relation.terms[i] as Term)]))
    const block = { ...source([], null, left), columns }
    if (relation.how === 'semi' || relation.how === 'anti') {
      // Asked for each row of the left side, rows that were left to chance would be others every time.
      const held = hasLimit(relation.right) ? this.#alias() : null
      const others = held ?? text`(${rightSql as Fragment})`
      const exists = text`exists (select 1 from ${others} as ${right} where ${on})`
      const pair = relation.how === 'semi' ? pairOf(relation.on) : null
      // SQLite takes this one into the arms of a view over several tables, down to their indexes.
      const among =
        pair && text`${this.term(at(pair.left))} in (select ${this.term(at(pair.right))} from ${others} as ${right})`
      const condition = among ?? (relation.how === 'anti' ? text`not ${exists}` : exists)
      // The condition stands in a sub-select of its own so that later steps fold into an ordinary block.
      const inner = text`select ${left}.* from (${leftSql as Fragment}) as ${left} where ${condition}`
      const alias = this.#alias()
      if (held === null) return source(text`(${inner}) as ${alias}`, relation.columns, alias)
      const once = text`with ${held} as materialized (${rightSql as Fragment})`
      return source(text`(${once} ${inner}) as ${alias}`, relation.columns, alias)
    }
    const outer = relation.how === 'full' && !isEquality(relation.on) ? 'left' : relation.how
    if (outer === relation.how) {
      const sides = text`(${leftSql as Fragment}) as ${left} ${outer} join (${rightSql as Fragment}) as ${right}`
      return { ...block, from: text`${sides} on ${on}` }
    }
    // Postgres joins fully by equality only; for other conditions the rows that only the right side has are added. Both
    // sides are read once, so that limits leave the same rows to both parts.
    const [ours, theirs] = [this.#alias(), this.#alias()]
    const ctes = text`with ${ours} as materialized (${leftSql as Fragment}), ${theirs} as materialized (${rightSql as Fragment})`
    const joined = { ...block, from: text`${ours} as ${left} left join ${theirs} as ${right} on ${on}` }
    const unmatched = relation.terms.map((term) =>
      term.op === 'column' && term.side === 'left' ? nullOf(term.type) : at(term),
    )
    const rest = this.render({
      ...block,
      from: text`${theirs} as ${right} where not exists (select 1 from ${ours} as ${left} where ${on})`,
      columns: new Map(relation.columns.map((column, i) => [column.name, unmatched[i] as Term])),
    })
    const alias = this.#alias()
    return source(text`(${ctes} ${this.render(joined)} union all ${rest}) as ${alias}`, relation.columns, alias)
  }

  /** Spec 06 §4: the closure follows `merged_into` from the selected entities down to every loser. */
  #merged(relation: MergedRelation): Block {
    const [selection, chain, loser, alias] = [this.#alias(), this.#alias(), this.#alias(), this.#alias()]
    const { quote } = this.#dialect
    const table = tableSql(this.#reader, relation.base.table)
    const id = quote(relation.base.id)
    const into = quote('merged_into')
    const names = relation.columns.map((column) => quote(column.name))
    const list = (of: string): string => names.map((name) => `${of}.${name}`).join(', ')
    const selected = this.#operand(relation.input)
    const losers = text`select ${loser}.${id} from ${table} as ${loser} join ${chain} on ${loser}.${into} = ${chain}.id`
    const closure = text`select ${id} from ${selection} union ${losers}`
    const merged = text`${loser}.${into} is not null and ${loser}.${id} in (select id from ${chain})`
    const rows = text`select ${list(loser)} from ${table} as ${loser} where ${merged}`
    const ctes = text`with recursive ${selection} as (${selected}), ${chain} (id) as (${closure})`
    // UNION and not UNION ALL: a row is returned once even if the selection holds rows of losers already.
    const inner = text`${ctes} select ${list(selection)} from ${selection} union ${rows}`
    return source(text`(${inner}) as ${alias}`, relation.columns, alias)
  }

  /** A whole SELECT to stand inside another; its order means nothing there, unless it decides which rows stay. */
  #operand(relation: Relation, shown = false): Fragment {
    const block = this.block(shown ? withoutHidden(relation) : relation)
    if (block.limit === null) return this.render({ ...block, order: [] })
    return text`select * from (${this.render(block)}) as ${this.#alias()}`
  }

  /** The block as it is if `terms` can join it, otherwise as the sub-select of a new block. */
  #for(terms: readonly Term[], block: Block, closed: (block: Block) => boolean): Block {
    const moved = terms.flatMap((term) => columnsIn(term)).some((name) => isFixed(columnOf(block, name)))
    return closed(block) || moved ? this.#nest(block) : block
  }

  #nest(block: Block): Block {
    const alias = this.#alias()
    const inner = block.limit === null ? { ...block, order: [] } : block
    const nested = source(text`(${this.render(inner)}) as ${alias}`, null, alias)
    if (block.columns === null) return nested
    const columns = new Map<string, Term>()
    for (const [name, term] of block.columns) columns.set(name, { op: 'column', name, type: term.type, source: alias })
    return { ...nested, columns, order: carriedOrder(block, columns) }
  }

  #rawBlock(relation: RawRelation): Block {
    const alias = this.#alias()
    const inner = text`(${this.raw(relation)})`
    if (relation.columns === null) return source(text`${inner} as ${alias}`, null, alias)
    // Columns are named by position: expressions without an alias have other names on every database.
    const named = this.#alias()
    const names = relation.columns.map((column) => this.#dialect.quote(column.name)).join(', ')
    const from = text`(with ${named} (${names}) as ${inner} select * from ${named}) as ${alias}`
    return source(from, relation.columns, alias)
  }

  raw(relation: RawRelation): Fragment {
    return relation.parts.flatMap((part): Fragment => {
      if (typeof part === 'string') return [part]
      if ('value' in part) return this.#dialect.value(part.value, 'unknown')
      const name = tableSql(this.#reader, part.table)
      return part.alias === null ? [name] : [`${name} as ${this.#dialect.quote(part.alias)}`]
    })
  }

  #alias(): string {
    return `t${this.#aliases++}`
  }
}

function source(from: Fragment, known: Relation['columns'], alias: string): Block {
  const columns =
    known && new Map(known.map((column): [string, Term] => [column.name, { ...columnTerm(column), source: alias }]))
  const empty = { where: [], keys: null, having: [], order: [], distinct: false, limit: null, offset: 0 }
  return { from, alias, columns, ...empty }
}

function columnOf(block: Block, name: string): Term {
  return block.columns?.get(name) ?? { op: 'column', name, type: 'unknown', source: block.alias }
}

function inline(term: Term, block: Block): Term {
  return substitute(term, (column) => columnOf(block, column.name))
}

function hasLimit(relation: Relation): boolean {
  if (relation.kind === 'limit') return true
  if ('input' in relation) return hasLimit(relation.input)
  return 'left' in relation && (hasLimit(relation.left) || hasLimit(relation.right))
}

/** May become a sub-select, where a window would see one row. */
function readsJson(term: Term): boolean {
  return someTerm(term, (part) => part.op === 'call' && part.fn === 'jsonPath')
}

function columnsIn(term: Term): string[] {
  return term.op === 'column' ? [term.name] : partsOf(term).flatMap(columnsIn)
}

function hasFixedColumn(block: Block): boolean {
  return block.columns !== null && [...block.columns.values()].some(isFixed)
}

/** The order of a block seen from outside, as far as its keys are output columns. */
function carriedOrder(block: Block, outside: ReadonlyMap<string, Term>): OrderTerm[] {
  const carried: OrderTerm[] = []
  for (const item of block.order) {
    const name = [...(block.columns ?? [])].find(([, term]) => sameColumn(term, item.key))?.[0]
    if (name === undefined) break
    carried.push({ ...item, key: outside.get(name) as Term })
  }
  return carried
}

function sameColumn(a: Term, b: Term): boolean {
  return a === b || (a.op === 'column' && b.op === 'column' && a.name === b.name && a.source === b.source)
}

/** Nulls come last in both directions, so first when read from the end. */
function backwards({ key, descending }: OrderTerm): OrderTerm[] {
  const isNull: Term = { op: 'call', fn: 'isNull', args: [key], type: 'boolean' }
  return [
    { key: isNull, descending: true },
    { key, descending: !descending },
  ]
}

function nullOf(type: ColumnType): Term {
  return { op: 'value', value: null, type }
}

/** The two columns if the condition is that one of each side is the same; nulls meet nothing either way. */
function pairOf(on: Term): { left: Term; right: Term } | null {
  if (on.op !== 'call') return null
  const [only] = on.args
  if (on.fn === 'and' && on.args.length === 1) return pairOf(only as Term)
  if (on.fn !== 'eq') return null
  const left = on.args.find((arg) => arg.op === 'column' && arg.side === 'left')
  const right = on.args.find((arg) => arg.op === 'column' && arg.side === 'right')
  return left && right ? { left, right } : null
}

/** Equalities of a column of one side with a column of the other. */
function isEquality(on: Term): boolean {
  if (on.op !== 'call') return false
  if (on.fn === 'and') return on.args.every(isEquality)
  const sides = on.args.map((arg) => (arg.op === 'column' ? arg.side : undefined))
  return on.fn === 'eq' && sides.includes('left') && sides.includes('right')
}
