/** Spaces in which people are erased: a file or a namespace of Postgres, with a key and a folder of certificates beside it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, onTestFinished } from 'vitest'
import type { ComplianceOptions } from '../../src/compliance.ts'
import { Defacto, type DefactoOptions } from '../../src/index.ts'
import { type FakeClock, fakeClock } from '../../src/testing/clock.ts'
import { type TestKey, testKey } from './certificates.ts'
import { merging } from './merging.ts'
import { describePostgres, freshNamespace } from './postgres.ts'
import { room } from './room.ts'

export interface ComplianceSpace {
  readonly folder: string
  readonly certificates: string
  readonly key: TestKey
  readonly clock: FakeClock
  readonly options: DefactoOptions
  /** Closed when the test ends. */
  open(compliance?: ComplianceOptions, options?: Partial<DefactoOptions>): Promise<Defacto>
}

const { person } = merging.entities
/** People whose plan is nobody's business. */
const DEFINITIONS = {
  ...merging,
  entities: {
    ...merging.entities,
    person: { ...person, properties: { ...person.properties, plan: { type: 'string', sensitive: 'pii' } } },
  },
}
const QUIET = { debug() {}, info() {}, warn() {}, error() {} }

export interface CompliancePlace {
  readonly options: DefactoOptions
  readonly drop: () => Promise<void>
}

/** Removed when the test ends. */
export function complianceSpace({ options: where, drop }: CompliancePlace): ComplianceSpace {
  const folder = mkdtempSync(join(room(), 'defacto-compliance-'))
  const opened: Defacto[] = []
  onTestFinished(async () => {
    for (const defacto of opened) await defacto.close()
    rmSync(folder, { recursive: true, force: true })
    await drop()
  })
  const key = testKey()
  const clock = fakeClock('2024-06-01T00:00:00Z')
  const certificates = join(folder, 'certificates')
  const database = where.database ?? join(folder, 'space.db')
  const options: DefactoOptions = { ...where, database, clock: clock.now, logger: QUIET }
  return {
    folder,
    certificates,
    key,
    clock,
    options,
    async open(compliance = {}, more = {}) {
      const all = { signingKey: key.privatePem, certificates, ...compliance }
      const config: object = DEFINITIONS
      const defacto: Defacto = await Defacto.fromConfig(config, { ...options, ...more, compliance: all })
      opened.push(defacto)
      return defacto
    },
  }
}

export const PLACES = [
  { name: 'a SQLite file', describe, space: () => complianceSpace({ options: {}, drop: async () => {} }) },
  {
    name: 'Postgres',
    describe: describePostgres,
    space: () => {
      const { url, namespace, drop } = freshNamespace()
      return complianceSpace({ options: { database: url, namespace }, drop })
    },
  },
] as const
