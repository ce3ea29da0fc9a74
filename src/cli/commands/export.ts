import { performance } from 'node:perf_hooks'
import type { ExportFormat, ExportRecord, WriteOptions } from '../../ports/exports.ts'
import type { TableCollection } from '../../query/collection.ts'
import { exportAs } from '../../query/export/export-as.ts'
import type { TableQuery } from '../../query/table-query.ts'
import type { CommandSpec, Options } from '../command.ts'
import type { Context } from '../context.ts'
import { UsageError } from '../errors.ts'
import { filesOf, refuseStrangers } from '../export/guard.ts'
import { exportProgress, exportResult, listResult } from '../export/show.ts'
import { FORMATS, type Target, targetOf } from '../export/target.ts'
import { flag, instant, list, text } from '../options.ts'
import type { Result } from '../output.ts'
import { CONNECT, openReading, type Reading } from '../reading.ts'
import { seconds } from '../summary.ts'
import { PARAM_OPTIONS, queryOf, statementOf, withProblems } from './query.ts'
import { relationOf } from './table.ts'

export const command: CommandSpec = {
  name: 'export',
  summary: 'write tables to files, a database or a graph',
  arguments: [
    ['[target]', 'folder; file.parquet, .csv, .duckdb, .json; postgresql://, sqlite:///, duckdb:///, bolt://'],
  ],
  options: [
    { flags: '--format <format>', description: 'default: what the target says, Parquet in folders', choices: FORMATS },
    { flags: '--types <names>', description: 'these types only, separated by commas' },
    { flags: '--no-relationships', description: 'entities alone' },
    { flags: '--relationships', description: 'relationships, too (the default)' },
    { flags: '--history', description: 'all rows instead of the current ones' },
    { flags: '--as-of <time>', description: 'one type as it was at this instant, in one file' },
    { flags: '--query <sql>', description: 'what this SQL returns, in one file; - reads it from standard input' },
    ...PARAM_OPTIONS,
    { flags: '--force', description: 'replace files that are no exports of this space' },
    { flags: '--list', description: 'what was exported from this space' },
    { flags: '--version <name>', description: 'version (default: the active one)' },
    CONNECT,
  ],
  examples: [
    'defacto export out/',
    'defacto export customers.csv --types customer',
    'defacto export analytics.duckdb --history',
    'defacto export histories.duckdb --format store',
    'defacto export plans.parquet --query "select plan, count(*) as n from customer_history group by plan"',
    'defacto export --list',
  ],
  async run(context, [given], options) {
    if (flag(options, 'list')) {
      if (given !== undefined) throw new UsageError('--list shows what was exported; leave the target out')
      return listResult(context, await (await context.openToRead()).exports())
    }
    if (given === undefined) throw new UsageError('name a folder, a file or the address of a database to export to')
    const project = await context.project()
    const target = targetOf(project.resolve(given, 'the target'), text(options, 'format') as ExportFormat | undefined)
    return text(options, 'query') === undefined
      ? exportTables(context, target, options)
      : exportQuery(context, target, options)
  },
}

/** Whole types: a collection, or one of them in one file. */
async function exportTables(context: Context, target: Target, options: Options): Promise<Result> {
  checkChoices(target, options)
  const types = list(options, 'types')
  const asOf = instant(options, 'asOf')
  const history = flag(options, 'history')
  const reading = await openReading(context, options)
  const { root } = reading
  if (isOneTable(target)) {
    const [type, ...others] = types.length === 0 ? soleType(reading) : types
    if (type === undefined || others.length > 0)
      throw new UsageError('this file holds one type; name it with --types, or export to a folder')
    const rows = relationOf(root, type, history || asOf !== undefined)
    return write(context, reading, target, options, [['rows', asOf === undefined ? rows : rows.asOf(asOf)]], toFile)
  }
  if (asOf !== undefined) throw new UsageError('--as-of goes with one type in one file, e.g. customers.parquet')
  const relationships = options['relationships'] !== false
  // Tells of names that nobody declares before anything is written.
  const all = root.tables({ types, relationships })
  const tables = history ? all.history() : all
  return write(context, reading, target, options, tables, (_queries, how) =>
    toPlace(context, tables, target, options, how),
  )

  function toFile([first]: readonly (readonly [string, TableQuery])[], how: WriteOptions): Promise<ExportRecord[]> {
    return toOneFile(first?.[1] as TableQuery, target, how)
  }
}

/** What hand-written SQL returns. */
async function exportQuery(context: Context, target: Target, options: Options): Promise<Result> {
  const sole = ['types', 'history', 'asOf', 'relationships'].find((name) => options[name] !== undefined)
  if (sole !== undefined)
    throw new UsageError(
      '--query says itself what is exported; it goes with none of --types, --history, --as-of, --relationships',
    )
  if (!isOneTable(target))
    throw new UsageError('what a query returns is one file: name one that ends with .parquet or .csv')
  const statement = await statementOf(context, text(options, 'query'), options)
  const reading = await openReading(context, options)
  return withProblems(statement.sql, () => {
    const query = queryOf(reading.root, statement)
    return write(context, reading, target, options, [['rows', query]], async (_queries, how) =>
      toOneFile(query, target, how),
    )
  })
}

async function write(
  context: Context,
  { space }: Reading,
  target: Target,
  options: Options,
  tables: Iterable<readonly [string, TableQuery]>,
  work: (tables: readonly (readonly [string, TableQuery])[], how: WriteOptions) => Promise<readonly ExportRecord[]>,
): Promise<Result> {
  const queries = [...tables]
  const files = filesOf(
    target,
    queries.map(([name]) => name),
  )
  const own = space === null ? null : await context.databaseFile()
  const project = await context.project()
  await refuseStrangers(files, { space, own, project, force: flag(options, 'force') })
  const begun = performance.now()
  // To count the rows of hand-written SQL is to run it twice.
  const bar = await exportProgress(context, text(options, 'query') === undefined ? queries : [])
  let records: readonly ExportRecord[]
  try {
    records = await work(queries, bar.options)
  } finally {
    bar.stop()
  }
  if (records.some(({ recorded }) => !recorded))
    context.output.note('not in the list of exports of a space: an erasure will not know of it')
  return exportResult(context, records, seconds(performance.now() - begun))
}

async function toOneFile(query: TableQuery, { format, place }: Target, how: WriteOptions): Promise<ExportRecord[]> {
  return [await (format === 'csv' ? query.toCsv(place, how) : query.toParquet(place, how))]
}

async function toPlace(
  context: Context,
  tables: TableCollection,
  { format, place }: Target,
  options: Options,
  how: WriteOptions,
): Promise<readonly ExportRecord[]> {
  const namespace = String((await context.project()).value('namespace'))
  // Nodes are told apart by their space; a store alone does not know it.
  const space = text(options, 'connect') === undefined ? {} : { space: namespace }
  return exportAs(tables, format, place, { ...how, namespace, ...space })
}

/** One table in a file of its own. */
function isOneTable({ kind, format }: Target): boolean {
  return kind === 'file' && (format === 'parquet' || format === 'csv')
}

/** The type of definitions that have one only. */
function soleType({ root }: Reading): string[] {
  return [...root.tables({ relationships: false })].map(([type]) => type)
}

function checkChoices({ format }: Target, options: Options): void {
  if (format === 'store') {
    const one = ['types', 'relationships'].find((name) => options[name] !== undefined)
    if (one !== undefined)
      throw new UsageError('the format store holds whole histories; leave --types and --relationships out')
  }
  if (flag(options, 'history') && (format === 'snapshot' || format === 'neo4j'))
    throw new UsageError(`the format ${format} holds current rows; leave --history out`)
  for (const name of ['param', 'queryTimeout']) {
    if (options[name] !== undefined) throw new UsageError('--param and --query-timeout go with --query')
  }
}
