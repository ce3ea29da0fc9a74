/** Checks written in code (spec 10 §8): declared beside the configuration, run by every `check` step. */

import { parseAsset } from '../../core/pipeline/assets.ts'
import { ConfigError } from '../../errors.ts'
import type { QueryRoot } from '../../query/root.ts'
import type { TableQuery } from '../../query/table-query.ts'

/** What a check may look at: the tables of the run's version, read only. */
export interface CheckContext {
  readonly asset: string
  readonly version: string
  /** Processing time of the run. */
  readonly asOf: string
  /** Aborts when the run is cancelled or the check's time is over. */
  readonly signal: AbortSignal
  table(type: string): TableQuery
  history(type: string): TableQuery
  relationship(type: string, options?: { history?: boolean }): TableQuery
  query: QueryRoot['query']
}

export interface CheckDefinition {
  readonly name: string
  readonly asset: string
  readonly severity: 'warn' | 'error'
  readonly blocking: boolean
  readonly run: (context: CheckContext) => Promise<CheckAnswer>
}
export interface CheckAnswer {
  readonly passed: boolean
  readonly value?: number
  /** Entity ids; the first 20 are kept. */
  readonly sampleIds?: readonly string[]
}

/** Declares a check; give it to `defineProject({ checks: […] })`. Blocking unless it is a warning. */
export function check(
  asset: string,
  options: { readonly name: string; readonly severity?: 'error' | 'warn'; readonly blocking?: boolean },
  run: CheckDefinition['run'],
): CheckDefinition {
  const { name, severity = 'error', blocking = severity === 'error' } = options
  return { name, asset, severity, blocking, run }
}

/** The checks of a configuration; `ConfigError` for what `check()` did not make. */
export function checksOf(value: unknown): readonly CheckDefinition[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw wrong('is no list')
  const names = new Set<string>()
  for (const item of value as readonly Partial<CheckDefinition>[]) {
    const isOne = typeof item === 'object' && item !== null && typeof item.run === 'function'
    if (!isOne || typeof item.name !== 'string' || item.name === '') throw wrong('holds something else than checks')
    if (parseAsset(String(item.asset)) === null)
      throw wrong(`'${item.name}' is about '${item.asset}', which is no asset`)
    if (names.has(item.name)) throw wrong(`names '${item.name}' twice`)
    names.add(item.name)
  }
  return value as readonly CheckDefinition[]
}

function wrong(problem: string): ConfigError {
  return new ConfigError(`'checks' ${problem}; give a list of check(asset, { name }, function) in defacto.config.ts`)
}
