/**
 * What only a project can tell of its pipelines: P05 (cold tier), P08 (SQL over its tables) and P10 (pools), spec 10
 * §3.8. Beside the checks of the definitions; nothing is opened.
 */
import { Issues, type Places } from '../../core/definition/issues.ts'
import type { DefinitionsObject, Issue } from '../../core/definition/model.ts'
import type { Path } from '../../core/definition/path.ts'
import { givenIndex } from '../../core/definition/read.ts'
import { isSqlCheck, type PipelineBody, readBody, type SqlCheckBody } from '../../core/pipeline/body.ts'
import { historyLayout } from '../../core/program/layout.ts'
import { didYouMean } from '../../core/spelling.ts'
import { QueryError } from '../../errors.ts'
import { dialectOf } from '../../query/dialect/available.ts'
import { type RawContext, rawRelation } from '../../query/raw/raw-query.ts'
import { rawTables } from '../../query/root.ts'

export interface ProjectFacts {
  readonly coldTier: boolean
  /** Names of the pools of the configuration. */
  readonly pools: readonly string[]
  readonly dialect: 'sqlite' | 'postgres'
  /** False: the definitions have errors, so their tables are not known, and SQL is not judged. */
  readonly tables?: boolean
  /** Names of the profiles that set a key of the configuration, where none is chosen. */
  readonly profilesWith?: (...path: string[]) => readonly string[]
}

/** `places` says where the values of the definitions stand. */
export function projectIssues(definitions: DefinitionsObject, places: Places, facts: ProjectFacts): Issue[] {
  const issues = new Issues(places)
  const dialect = dialectOf(facts.dialect)
  const tables = facts.tables === false ? null : rawTables(historyLayout(definitions), '')
  const context: RawContext | null = tables && { dialect, tables, relationOf: ({ name }) => dialect.quote(name) }
  for (const [name, raw] of Object.entries(definitions.pipelines)) {
    const path: Path = ['pipelines', name]
    const body = readBody(raw, name, new Issues())
    if (body === undefined) continue
    checkTiers(issues, path, body, facts)
    checkPool(issues, path, body, facts)
    for (const [check, given] of Object.entries(body.checks ?? {})) {
      if (context !== null && isSqlCheck(given)) checkSql(issues, [...path, 'checks', check], given, context)
    }
  }
  return issues.list
}

function checkTiers(issues: Issues, path: Path, body: PipelineBody, facts: ProjectFacts): void {
  if (facts.coldTier) return
  const steps = body.steps ?? []
  for (const [i, { kind }] of steps.entries()) {
    if (kind !== 'flush' && kind !== 'prune' && kind !== 'maintain') continue
    const message = `step '${kind}' needs a cold tier, and the project has none: set 'cold_ledger' in its configuration${orProfile(facts, 'coldLedger')}`
    issues.add('P05', [...path, 'steps', givenIndex(steps, i)], message)
  }
}

/** Whoever checks a project sees the settings of all profiles; whoever runs it has chosen one, or forgotten to. */
function orProfile({ profilesWith }: ProjectFacts, ...path: string[]): string {
  const names = profilesWith?.(...path) ?? []
  return names.length === 0 ? '' : `; profile '${names.join("' and '")}' has it, so name it: --profile ${names[0]}`
}

function checkPool(issues: Issues, path: Path, body: PipelineBody, facts: ProjectFacts): void {
  const pool = body.concurrency?.pool
  const { pools } = facts
  if (!pool || pools.includes(pool)) return
  const message = `pool '${pool}' is out of range: 'pools' of the configuration has no such name${didYouMean(pool, pools)}${orProfile(facts, 'pools', pool)}`
  issues.add('P10', [...path, 'concurrency', 'pool'], message)
}

function checkSql(issues: Issues, path: Path, check: SqlCheckBody, context: RawContext): void {
  const report = (message: string): void => issues.add('P08', [...path, 'sql'], `query: ${message}`)
  try {
    const { columns } = rawRelation(check.sql, {}, {}, context)
    if (check.expect && columns !== null && columns.length !== 1) {
      report(`'expect' compares one value, and it has ${columns.length} columns`)
    }
  } catch (error) {
    if (!(error instanceof QueryError)) throw error
    for (const line of error.message.split('\n')) report(line)
  }
}
