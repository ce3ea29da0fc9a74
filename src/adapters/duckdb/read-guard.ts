/**
 * What a reading statement may be (spec 06 §6), told by DuckDB's own parser and binder; nothing here relies on checks made
 * earlier, or on the file being opened read-only with everything outside it shut off.
 *
 * - `json_serialize_sql` takes nothing but statements that read and gives their syntax tree. In it may stand: tables of
 *   schemas of versions, names of WITH, table functions that make rows of their arguments, and functions that know nothing
 *   but their arguments. So no catalogue, no file as a table, no `SHOW`.
 * - `getTableNames` resolves names as the statement would, behind views and macros too: those that remain must be tables of
 *   versions.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import { QueryError } from '../../errors.ts'
import { isReadable } from './names.ts'

export interface GuardRules {
  /** Schemas of versions. */
  readonly schemas: ReadonlySet<string>
  readonly functions: ReadonlySet<string>
  /** Views of the engine, which show the catalogue: no name of WITH may stand for one elsewhere. */
  readonly catalogue: ReadonlySet<string>
  /** Tables and views that can be named without a schema, in lower case. */
  readonly bare: ReadonlySet<string>
}

/** Functions that are not constant and yet know only their arguments, the clock or chance. */
const HARMLESS = `now today current_date current_timestamp current_localtime current_localtimestamp get_current_time
  get_current_timestamp transaction_timestamp random uuid uuidv4 uuidv7 gen_random_uuid unnest grouping grouping_id`
/** Windows are no entries of the catalogue. */
const WINDOWS = 'row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value fill'
/** Macros of the engine that are expressions over their arguments; others read the catalogue. */
const MACROS =
  /^(?:list|array|map_contains)_\w+$|^(?:ago|date_add|days_in_month|fdiv|fmod|generate_subscripts|geomean|geometric_mean|json|json_group_array|json_group_object|json_group_structure|md5_number_lower|md5_number_upper|nullif|pg_typeof|round_even|roundbankers|split_part|wavg|weighted_avg)$/
/** Functions that bind statements in their arguments, or know the session. */
const REFUSED = /^__|^json_(?:de)?serialize_|^json_execute_|^getvariable$|^current_setting$|^getenv$|^error$/
const TABLE_FUNCTIONS = new Set(['unnest', 'range', 'generate_series', 'repeat', 'json_each', 'json_tree'])

type EngineRules = Pick<GuardRules, 'functions' | 'catalogue'>
let engine: EngineRules | null = null

/** What the engine offers: the same for every file that this process opens. */
export async function engineRules(connection: DuckDBConnection): Promise<EngineRules> {
  engine ??= await askEngine(connection)
  return engine
}

async function askEngine(connection: DuckDBConnection): Promise<EngineRules> {
  const functions = await connection.runAndReadAll(`select distinct function_name, function_type from duckdb_functions()
    where internal and (function_type in ('aggregate', 'macro')
      or (function_type = 'scalar' and stability = 'CONSISTENT'))`)
  const allowed = (functions.getRows() as [name: string, type: string][])
    .filter(([name, type]) => (type !== 'macro' || MACROS.test(name)) && !REFUSED.test(name))
    .map(([name]) => name)
  const views = await connection.runAndReadAll('select view_name from duckdb_views() where internal')
  return {
    functions: new Set([...allowed, ...HARMLESS.split(/\s+/), ...WINDOWS.split(' ')]),
    catalogue: new Set(views.getRows().map(([name]) => String(name))),
  }
}

export async function bareNames(connection: DuckDBConnection): Promise<ReadonlySet<string>> {
  const result =
    await connection.runAndReadAll(`select lower(table_name) from duckdb_tables() where schema_name = 'main'
    union select lower(view_name) from duckdb_views() where schema_name = 'main'`)
  return new Set(result.getRows().map(([name]) => String(name)))
}

/** Throws `QueryError` unless the text is one statement that reads nothing but histories and relationships. */
export async function checkStatement(connection: DuckDBConnection, sql: string, rules: GuardRules): Promise<void> {
  const result = await connection.runAndReadAll('select json_serialize_sql($1::varchar)', [sql])
  const tree = JSON.parse(String(result.getRows()[0]?.[0])) as Tree
  if (tree.error) {
    const reads = tree.error_type === 'not implemented'
    throw refused(reads ? 'the statement must be a SELECT' : `the SQL cannot be read: ${tree.error_message ?? ''}`)
  }
  if (tree.statements.length !== 1) throw refused('the text must be one statement')
  const names = new Set<string>()
  collectCtes(tree.statements, names)
  for (const name of names) if (rules.catalogue.has(name)) throw notReadable(name)
  checkNodes(tree.statements, names, rules)
  for (const name of connection.getTableNames(sql, true)) checkTable(name, names, rules)
}

interface Tree {
  readonly error: boolean
  readonly error_type?: string
  readonly error_message?: string
  readonly statements: readonly unknown[]
}
type Node = Readonly<Record<string, unknown>>

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null
}

/** Names are compared without regard to case. */
function collectCtes(node: unknown, names: Set<string>): void {
  if (!isNode(node)) return
  const ctes = isNode(node['cte_map']) ? node['cte_map']['map'] : undefined
  if (Array.isArray(ctes)) for (const { key } of ctes as { key: string }[]) names.add(key.toLowerCase())
  for (const part of Object.values(node)) collectCtes(part, names)
}

/** Every node of the tree, wherever it stands: a kind that is not known to be harmless is refused. */
function checkNodes(node: unknown, ctes: ReadonlySet<string>, rules: GuardRules): void {
  if (!isNode(node)) return
  switch (node['type']) {
    case 'BASE_TABLE':
      checkReference(node, ctes, rules)
      break
    case 'TABLE_FUNCTION': {
      const called = node['function'] as Node
      const name = text(called['function_name'])
      if (!TABLE_FUNCTIONS.has(name) || isForeign(called)) throw notCallable(name)
      break
    }
    case 'SHOW_REF':
      throw refused('the statement must be a SELECT')
    case 'PIVOT':
      throw refused('PIVOT and UNPIVOT are not available')
  }
  if (node['class'] === 'FUNCTION' || node['class'] === 'WINDOW') {
    const name = text(node['function_name'])
    const inFrom = TABLE_FUNCTIONS.has(name) && node['schema'] === ''
    if (isForeign(node) || !(inFrom || rules.functions.has(name))) throw notCallable(name)
  }
  for (const part of Object.values(node)) checkNodes(part, ctes, rules)
}

function checkReference(node: Node, ctes: ReadonlySet<string>, { schemas }: GuardRules): void {
  const [schema, name] = [String(node['schema_name'] ?? ''), String(node['table_name'] ?? '')]
  if (schema === '' && ctes.has(name.toLowerCase())) return
  const own = node['catalog_name'] === '' && schemas.has(schema) && isReadable(name)
  if (!own) throw notReadable(schema === '' ? name : `${schema}.${name}`)
}

/** A function that somebody has put into the file; the parser names the engine's own `main`. */
function isForeign(called: Node): boolean {
  const schema = called['schema'] ?? ''
  return (schema !== '' && schema !== 'main') || (called['catalog'] ?? '') !== ''
}

const NAME = '(?:"((?:[^"]|"")*)"|([^."\\s]+))'
/** With or without a schema, sometimes with the alias or sample the statement gives it; names are quoted where they have to be. */
const TABLE = new RegExp(`^(?:${NAME}\\.)?${NAME}(?: (?:AS|TABLESAMPLE) .*)?$`, 's')

/** Names of recursive parts may be among them, without a schema: they are tables only if there is such a table. */
function checkTable(found: string, ctes: ReadonlySet<string>, { schemas, bare }: GuardRules): void {
  const [, quotedSchema, plainSchema, quotedName, plainName] = TABLE.exec(found) ?? []
  const schema = unquoted(quotedSchema) ?? plainSchema
  const name = unquoted(quotedName) ?? plainName ?? ''
  const key = name.toLowerCase()
  const allowed = schema === undefined ? ctes.has(key) && !bare.has(key) : schemas.has(schema) && isReadable(name)
  if (!allowed) throw notReadable(found)
}

function unquoted(name: string | undefined): string | undefined {
  return name?.replaceAll('""', '"')
}

function text(value: unknown): string {
  return String(value ?? '').toLowerCase()
}

function notReadable(name: string): QueryError {
  return refused(`${name}: queries may only read history tables and relationships, under their own schema`)
}

function notCallable(name: string): QueryError {
  return refused(
    `function "${name}" is unknown or not allowed: queries may call functions that read nothing but their arguments`,
  )
}

function refused(message: string): QueryError {
  return new QueryError(message, { code: 'E_QUERY_SQL' })
}
