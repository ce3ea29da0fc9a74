/** Every export has its row in the list of the space from before its first byte (spec 05 §4.5). */
import { randomUUID } from 'node:crypto'
import { DefactoError } from '../../errors.ts'
import type { ExportRecord, RecordedFormat, Written } from '../../ports/exports.ts'
import type { ExportAccess } from './access.ts'

export interface Exported {
  /** Absolute path, or the address with secrets masked. */
  readonly path: string
  readonly format: RecordedFormat
  readonly entityTypes: readonly string[]
  /** True: a failure may leave a part behind, so that the row stays. */
  readonly inParts?: boolean
}

/** Runs `write` with its row in the list: complete when it has written, gone if it has failed and left nothing. */
export async function recorded(
  access: ExportAccess,
  { inParts = false, ...what }: Exported,
  write: () => Promise<Written>,
): Promise<ExportRecord> {
  const { log, version } = access
  const row = { exportId: randomUUID(), ...what, version, at: access.now().toString() }
  await log?.begin(row)
  let written: Written
  try {
    written = await write()
  } catch (error) {
    // The failure that is told is the first one; a row too many is no harm.
    if (!inParts && !isUndecided(error)) await log?.drop(row.exportId).catch(() => undefined)
    throw error
  }
  await log?.finish(row.exportId, written)
  const { exportId, path, format, entityTypes, at } = row
  return { exportId, path, format, version, entityTypes, at, ...written, recorded: log !== null }
}

/** A server that did not answer the commit may have committed. */
function isUndecided(error: unknown): boolean {
  return error instanceof DefactoError && error.details['outcome'] === 'unknown'
}
