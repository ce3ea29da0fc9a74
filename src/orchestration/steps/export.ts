/** The step `export` (spec 10 §3.4): tables to files or another database, whole or not at all. */
import { isAbsolute, join } from 'node:path'
import { EXPORT_FORMATS, type TablesExport } from '../../core/pipeline/model.ts'
import { didYouMean } from '../../core/spelling.ts'
import { ConfigError } from '../../errors.ts'
import type { Json } from '../../ports/runs.ts'
import type { ProjectAccess, StepFunction } from '../contract.ts'
import { inputOf } from '../pinned.ts'
import { done, engineCall } from './call.ts'

export const exportTables: StepFunction = async (context, call) => {
  const { run } = call
  const request = requestOf(inputOf(run))
  const { tables, rows } = await context.operations.exportTables(engineCall(call), {
    ...request,
    to: placeOf(context.project, request.to),
    ...(run.version === null ? {} : { version: run.version }),
  })
  return done({ tables_exported: tables, rows_exported: rows })
}

function requestOf(input: { readonly [key: string]: Json }): TablesExport {
  const { to, format, types, relationships, history } = input
  if (typeof to !== 'string' || to === '') throw new ConfigError("an export needs 'to': a folder, a file or a URL")
  const known = EXPORT_FORMATS.find((name) => name === (format ?? 'parquet'))
  if (known === undefined) {
    const guess = didYouMean(String(format), EXPORT_FORMATS)
    throw new ConfigError(
      `unknown format '${String(format)}' of an export${guess}; known: ${EXPORT_FORMATS.join(', ')}`,
    )
  }
  return {
    to,
    format: known,
    types: Array.isArray(types) ? types.filter((name) => typeof name === 'string') : [],
    relationships: relationships !== false,
    history: history === true,
  }
}

/** References put in; paths begin at the project. */
function placeOf(project: ProjectAccess, to: string): string {
  const place = project.resolve(to)
  return /^[a-z][a-z0-9+.-]*:/i.test(place) || isAbsolute(place) ? place : join(project.folder, place)
}
