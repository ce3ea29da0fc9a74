import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { live } from '../crash/processes.ts'
import { joined, openPeople, people, standing, used } from '../support/people.ts'
import { inFolder } from '../support/scenario.ts'

const NUMBERS = [1, 2, 3, 4, 5, 6, 7, 8]
const records = NUMBERS.flatMap((i) => [joined(`M${i}`, i), used(`M${i}`, i + 1, i)])
const lowered = people({ mail: { match: 'case_insensitive' } })
const prefixed = people({ mail: { normalize: "'x-' + value" } })

/** Wherever the reset for one set of definitions was cut off, another one that groups events alike keeps all ids. */
test.each([
  'reset.written:1',
  'reset.committed:1',
  'hints.written:1',
  'hints.written:2',
  'shadow.committed:1',
  'swap.committed:1',
])(
  'an identity reset killed at %s and taken over by other definitions keeps ids',
  { timeout: 60_000 },
  async (failpoint) => {
    await inFolder(async (folder) => {
      const database = join(folder, 'd.db')
      const first = await openPeople(people(), { database })
      await first.ingest('web', records, { process: true })
      const before = await standing(first)
      await first.close()

      const recordsFile = join(folder, 'records.json')
      writeFileSync(recordsFile, '[]')
      const steps = [{ do: 'open' as const, definitions: lowered }, { do: 'build' as const }]
      const job = { database, recordsFile, now: '2024-01-20T00:00:00Z', steps }
      expect(await live(folder, job, { failpoint, chunk: 3 })).toMatchObject({ killed: true, error: null })

      await using heir = await openPeople(prefixed, { database, catchUp: false })
      expect(await heir.build()).toMatchObject({ mode: 'FULL_WITH_IDENTITY_RESET', eventsProcessed: 16 })
      expect(await standing(heir)).toEqual(before)
      expect(Object.keys(before)).toContain(await heir.identity.lookup('x-M3'))
      expect(await heir.identity.lookup('m3')).toBeUndefined()
      expect(await heir.nextBuild()).toMatchObject({ mode: 'SKIP' })
    })
  },
)
