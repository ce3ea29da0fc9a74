/** A folder of a test's own, gone after it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { room } from '../support/room.ts'

export function folder(): string {
  const path = mkdtempSync(join(room(), 'defacto-temporal-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}
