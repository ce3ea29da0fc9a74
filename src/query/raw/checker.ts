/**
 * Checks tables, columns and functions of hand-written SQL by scope (spec 06 §6 rules 2–4) and finds out which
 * columns, of which types, it returns. All problems are collected; nothing here touches the database.
 */
import { closest } from '../../core/spelling.ts'
import type { Column, ColumnType } from '../column.ts'
import type { TableName, TableRelation } from '../relation.ts'
import type { BodyNode, ExprNode, ItemNode, Name, QueryNode, SelectNode, SourceNode, TableNode } from './ast.ts'
import { ALLOWED_FUNCTIONS, CAST_TYPES } from './functions.ts'
import { SqlProblem } from './lexer.ts'
import { EMPTY_SCOPE, type Scope, type Source, visibleNames } from './scope.ts'

export interface CheckTables {
  readonly tables: ReadonlyMap<string, TableRelation>
  nameKey(name: string, quoted: boolean): string
  quote(name: string): string
  readonly havingTakesAliases: boolean
  /** Whether `schema.name` is the place where this version's table lies. */
  isOwnSchema(schema: string, table: TableName): boolean
}
/** Text to put in place of a token range: the real name of a table, or the columns a `*` stands for. */
export type Replacement =
  | { readonly start: number; readonly end: number; readonly table: TableName; readonly alias: string | null }
  | { readonly start: number; readonly end: number; readonly text: string }
export interface CheckResult {
  readonly columns: readonly Column[]
  readonly problems: readonly SqlProblem[]
  readonly replacements: readonly Replacement[]
}

export function checkQuery(query: QueryNode, tables: CheckTables): CheckResult {
  const checker = new Checker(tables)
  const columns = checker.query(query, EMPTY_SCOPE)
  const problems = checker.problems.sort((a, b) => a.offset - b.offset)
  return { columns: columns ?? [], problems, replacements: checker.replacements }
}

type Known = readonly Column[] | null

class Checker {
  readonly problems: SqlProblem[] = []
  readonly replacements: Replacement[] = []
  readonly #tables: CheckTables

  constructor(tables: CheckTables) {
    this.#tables = tables
  }

  query(query: QueryNode, outer: Scope): Known {
    const scope = this.#withCtes(query, outer)
    const { columns, inner } = this.#body(query.body, scope)
    const aliases = new Map((columns ?? []).map((column) => [this.#column(column), column]))
    const order: Scope = inner ? { ...inner, aliases } : { ...EMPTY_SCOPE, aliases, ctes: scope.ctes }
    if (columns !== null) for (const key of query.orderBy) this.#expr(key, order)
    for (const part of query.rest) this.#expr(part, { ...EMPTY_SCOPE, ctes: scope.ctes })
    return columns
  }

  #withCtes(query: QueryNode, outer: Scope): Scope {
    let scope = outer
    for (const cte of query.with) {
      const key = this.#key(cte.name)
      const { body } = cte.query
      const recursive = query.recursive && body.kind === 'set'
      const renamed = (columns: Known): Known => this.#rename(columns, cte.columns)
      if (recursive) {
        // The first branch gives the columns; the others may read the expression itself.
        const base = renamed(this.#body(firstBranch(body), this.#withCtes(cte.query, scope)).columns)
        scope = { ...scope, ctes: new Map([...scope.ctes, [key, base]]) }
        this.query(cte.query, scope)
      } else {
        scope = { ...scope, ctes: new Map([...scope.ctes, [key, renamed(this.query(cte.query, scope))]]) }
      }
    }
    return scope
  }

  /** Output columns, and for a plain SELECT the scope its ORDER BY can use. */
  #body(body: BodyNode, scope: Scope): { columns: Known; inner: Scope | null } {
    switch (body.kind) {
      case 'query':
        return { columns: this.query(body, scope), inner: null }
      case 'values': {
        for (const row of body.rows) for (const value of row) this.#expr(value, scope)
        const first = body.rows[0] ?? []
        return { columns: first.map((_, i) => ({ name: `column${i + 1}`, type: 'unknown' })), inner: null }
      }
      case 'set': {
        const left = this.#body(body.left, scope).columns
        const right = this.#body(body.right, scope).columns
        if (left === null || right === null) return { columns: left ?? right, inner: null }
        if (left.length !== right.length) this.#report('both sides need the same number of columns', body.at)
        return { columns: left.map((column, i) => ({ ...column, type: common(column, right[i]) })), inner: null }
      }
      case 'select':
        return this.#select(body, scope)
    }
  }

  #select(select: SelectNode, outer: Scope): { columns: Known; inner: Scope } {
    const merged = new Set<string>()
    const conditions: ExprNode[] = []
    const sources = select.from.flatMap((source) => this.#source(source, outer, merged, conditions))
    this.#checkSourceNames(sources, select)
    const inner: Scope = { sources, merged, aliases: new Map(), parent: outer, ctes: outer.ctes }
    for (const condition of conditions) this.#expr(condition, inner)
    const columns = this.#items(select.items, inner)
    const aliased = { ...inner, aliases: new Map((columns ?? []).map((column) => [this.#column(column), column])) }
    if (select.where) this.#expr(select.where, inner)
    for (const key of select.groupBy) this.#expr(key, aliased)
    if (select.having) this.#expr(select.having, this.#tables.havingTakesAliases ? aliased : inner)
    for (const part of select.windows) this.#expr(part, inner)
    return { columns, inner }
  }

  #items(items: readonly ItemNode[], scope: Scope): Known {
    const columns: Column[] = []
    let complete = true
    items.forEach((item, i) => {
      if (item.kind === 'star') {
        const all = this.#star(item, scope)
        if (all === null) complete = false
        else columns.push(...all)
        return
      }
      const type = this.#expr(item.expr, scope)
      columns.push({ name: this.#itemName(item, columns, i), type })
    })
    return complete ? columns : null
  }

  #itemName(item: Extract<ItemNode, { kind: 'item' }>, before: readonly Column[], index: number): string {
    if (item.alias) return this.#shown(item.alias)
    if (item.expr.kind === 'column') return this.#shown(item.expr.path.at(-1) as Name)
    const base = item.expr.kind === 'call' ? item.expr.name.text.toLowerCase() : `column${index + 1}`
    let name = base
    for (let n = 2; before.some((column) => column.name === name); n++) name = `${base}_${n}`
    return name
  }

  /** The columns `*` stands for; it is written out, so that hidden columns stay hidden. */
  #star(item: Extract<ItemNode, { kind: 'star' }>, scope: Scope): Known {
    const key = item.table && this.#key(item.table)
    const chosen = key === null ? scope.sources : scope.sources.filter((source) => source.key === key)
    if (chosen.length === 0) {
      this.#report(item.table ? `no table or alias "${item.table.text}" here` : 'SELECT * needs a FROM', item.at)
      return null
    }
    const columns: Column[] = []
    const texts: string[] = []
    for (const source of chosen) {
      if (source.columns === null) return null
      for (const column of source.columns.filter((candidate) => !candidate.hidden)) {
        const shared = key === null && scope.merged.has(this.#column(column))
        if (shared && columns.some((earlier) => this.#column(earlier) === this.#column(column))) continue
        const name = this.#tables.quote(column.name)
        texts.push(shared || source.written === null ? name : `${this.#tables.quote(source.written)}.${name}`)
        columns.push(column)
      }
    }
    this.replacements.push({ start: item.at, end: item.end, text: texts.join(', ') })
    return columns
  }

  // ── FROM ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #source(node: SourceNode, outer: Scope, merged: Set<string>, conditions: ExprNode[]): Source[] {
    switch (node.kind) {
      case 'table':
        return [this.#table(node, outer)]
      case 'subquery': {
        const columns = this.#rename(this.query(node.query, outer), node.columns)
        return [this.#named(node.alias, columns)]
      }
      case 'function':
        this.#report(`functions cannot stand in FROM; ${this.#available()}`, node.name.at)
        return [{ key: null, written: null, columns: null }]
      case 'join': {
        const left = this.#source(node.left, outer, merged, conditions)
        const right = this.#source(node.right, outer, merged, conditions)
        for (const name of this.#sharedColumns(node.natural, node.using, left, right)) merged.add(name)
        if (node.on) conditions.push(node.on)
        return [...left, ...right]
      }
    }
  }

  #sharedColumns(natural: boolean, using: readonly Name[] | null, left: Source[], right: Source[]): string[] {
    const names = (sources: Source[]): string[] =>
      sources.flatMap((source) => (source.columns ?? []).map((column) => this.#column(column)))
    const theirs = names(right)
    if (natural) return names(left).filter((name) => theirs.includes(name))
    const open = [...left, ...right].some((source) => source.columns === null)
    for (const name of using ?? []) {
      const both = names(left).includes(this.#key(name)) && theirs.includes(this.#key(name))
      if (!both && !open) this.#report(`column "${name.text}" is not on both sides of the join`, name.at)
    }
    return (using ?? []).map((name) => this.#key(name))
  }

  #table(node: TableNode, scope: Scope): Source {
    const key = this.#key(node.name)
    if (node.schema === null && scope.ctes.has(key)) {
      const columns = this.#rename(scope.ctes.get(key) ?? null, node.columns)
      return this.#named(node.alias ?? node.name, columns)
    }
    const found = [...this.#tables.tables].find(([name]) => this.#tables.nameKey(name, true) === key)?.[1]
    const wrongSchema =
      node.schema !== null && found && !this.#tables.isOwnSchema(this.#shown(node.schema), found.table)
    if (found === undefined || wrongSchema) {
      this.#unknownTable(node, [...scope.ctes.keys()], wrongSchema === true)
      return this.#named(node.alias ?? node.name, null)
    }
    const alias = node.alias === null && node.schema === null ? this.#shown(node.name) : null
    this.replacements.push({ start: node.start, end: node.end, table: found.table, alias })
    return this.#named(node.alias ?? node.name, this.#rename(found.columns, node.columns))
  }

  #unknownTable(node: TableNode, ctes: readonly string[], wrongSchema: boolean): void {
    const written = node.schema === null ? node.name.text : `${node.schema.text}.${node.name.text}`
    const names = [...this.#tables.tables.keys(), ...ctes]
    // People write the type for its table.
    const own = names.find((name) => name === `${node.name.text}_history` || name === `rel_${node.name.text}_history`)
    const guess = wrongSchema ? node.name.text : (own ?? closest(node.name.text, names))
    const message = wrongSchema ? `"${written}" is another schema` : `no table "${written}"`
    this.#report(`${message}; ${this.#available()}`, node.start, guess)
  }

  #available(): string {
    return `available: ${[...this.#tables.tables.keys()].join(', ')}`
  }

  #checkSourceNames(sources: readonly Source[], select: SelectNode): void {
    const seen = new Set<string>()
    for (const { key, written } of sources) {
      if (key === null) continue
      if (seen.has(key)) this.#report(`two tables are called "${written}"; give one an alias`, select.at)
      seen.add(key)
    }
  }

  #named(name: Name | null, columns: Known): Source {
    if (name === null) return { key: null, written: null, columns }
    return { key: this.#key(name), written: this.#shown(name), columns }
  }

  #rename(columns: Known, names: readonly Name[] | null): Known {
    if (names === null) return columns
    if (columns === null) return names.map((name) => ({ name: this.#shown(name), type: 'unknown' }))
    const shown = columns.filter((column) => !column.hidden)
    if (names.length > shown.length) {
      this.#report(`${names.length} names for ${shown.length} columns`, (names[0] as Name).at)
    }
    return columns.map((column, i) => (names[i] ? { ...column, name: this.#shown(names[i]) } : column))
  }

  // ── expressions ────────────────────────────────────────────────────────────────────────────────────────────────

  #expr(node: ExprNode, scope: Scope): ColumnType {
    switch (node.kind) {
      case 'column':
        return this.#columnType(node.path, scope)
      case 'literal':
        return node.type
      case 'cast':
        this.#expr(node.arg, scope)
        if (!CAST_TYPES.has(node.to)) {
          this.#report(`cast to "${node.to}" is not allowed in queries`, node.at, closest(node.to, CAST_TYPES))
        }
        return typeNamed(node.to)
      case 'query': {
        const columns = this.query(node.query, scope)
        return node.exists ? 'boolean' : (columns?.[0]?.type ?? 'unknown')
      }
      case 'parts':
        for (const part of node.parts) this.#expr(part, scope)
        return node.boolean ? 'boolean' : 'unknown'
      case 'call': {
        const types = node.args.map((arg) => this.#expr(arg, scope))
        for (const part of node.rest) this.#expr(part, scope)
        const name = node.name.text.toLowerCase()
        const result = ALLOWED_FUNCTIONS.get(name)
        if (result === undefined) {
          const guess = closest(name, ALLOWED_FUNCTIONS.keys())
          this.#report(`function "${node.name.text}" is not allowed in queries`, node.name.at, guess)
        }
        return result === 'argument' ? (types[0] ?? 'unknown') : (result ?? 'unknown')
      }
    }
  }

  #columnType(path: readonly Name[], scope: Scope): ColumnType {
    const name = path.at(-1) as Name
    const table = path.length > 1 ? (path.at(-2) as Name) : null
    if (path.length > 2) {
      const source = [...this.#tables.tables.values()].find((item) =>
        this.#tables.isOwnSchema(this.#shown(path[0] as Name), item.table),
      )
      if (path.length > 3 || source === undefined) {
        this.#report(`"${path.map((part) => part.text).join('.')}" names another schema`, (path[0] as Name).at)
        return 'unknown'
      }
    }
    return table === null ? this.#bareColumn(name, scope) : this.#qualified(table, name, scope)
  }

  #bareColumn(name: Name, scope: Scope): ColumnType {
    const key = this.#key(name)
    for (let at: Scope | null = scope; at !== null; at = at.parent) {
      const holders = at.sources.filter((source) => source.columns?.some((column) => this.#column(column) === key))
      const alias = at.aliases.get(key)
      if (holders.length === 1 || (holders.length > 1 && at.merged.has(key))) return this.#typeIn(holders[0], key)
      if (alias !== undefined) return alias.type
      if (holders.length > 1) {
        const places = holders.map((source) => `${source.written ?? 'a sub-query'}.${name.text}`)
        this.#report(`column "${name.text}" is ambiguous: ${places.join(' or ')}`, name.at, places[0])
        return 'unknown'
      }
      if (at.sources.some((source) => source.columns === null)) return 'unknown'
    }
    const guess = closest(name.text, visibleNames(scope))
    this.#report(`no column "${name.text}"`, name.at, guess)
    return 'unknown'
  }

  #qualified(table: Name, name: Name, scope: Scope): ColumnType {
    const tableKey = this.#key(table)
    for (let at: Scope | null = scope; at !== null; at = at.parent) {
      const source = at.sources.find((candidate) => candidate.key === tableKey)
      if (source === undefined) continue
      if (source.columns === null) return 'unknown'
      const key = this.#key(name)
      if (source.columns.some((column) => this.#column(column) === key)) return this.#typeIn(source, key)
      const names = source.columns.filter((column) => !column.hidden).map((column) => column.name)
      this.#report(`no column "${name.text}" in "${table.text}"`, name.at, closest(name.text, names))
      return 'unknown'
    }
    const tables: string[] = []
    for (let at: Scope | null = scope; at !== null; at = at.parent) {
      tables.push(...at.sources.flatMap((source) => source.written ?? []))
    }
    this.#report(`no table or alias "${table.text}" here`, table.at, closest(table.text, tables))
    return 'unknown'
  }

  #typeIn(source: Source | undefined, key: string): ColumnType {
    return source?.columns?.find((column) => this.#column(column) === key)?.type ?? 'unknown'
  }

  #key(name: Name): string {
    return this.#tables.nameKey(name.text, name.quoted)
  }

  #column(column: Column): string {
    return this.#tables.nameKey(column.name, true)
  }

  /** The name as results show it: quoted ones as written, others as the definitions spell them. */
  #shown(name: Name): string {
    return name.quoted ? name.text : this.#tables.nameKey(name.text, false)
  }

  #report(message: string, offset: number, suggestion: string | null | undefined = null): void {
    const known = this.problems.some((problem) => problem.offset === offset && problem.message === message)
    if (!known) this.problems.push(new SqlProblem(message, offset, suggestion ?? null))
  }
}

function firstBranch(body: BodyNode): BodyNode {
  return body.kind === 'set' ? firstBranch(body.left) : body
}

function common(left: Column, right: Column | undefined): ColumnType {
  if (right === undefined || left.type === right.type) return left.type
  const numeric = [left.type, right.type].every((type) => type === 'integer' || type === 'number')
  return numeric ? 'number' : 'unknown'
}

function typeNamed(name: string): ColumnType {
  if (/^(?:int|integer|bigint|smallint|tinyint|int[248])$/.test(name)) return 'integer'
  if (/^(?:real|double|double precision|float|float[48])$/.test(name)) return 'number'
  if (/^(?:text|varchar|char|character varying|string)$/.test(name)) return 'string'
  return 'unknown'
}
