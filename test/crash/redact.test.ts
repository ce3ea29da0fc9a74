/** A redaction whose process is killed leaves nothing changed, or is finished by the next one (spec 05 §5.4, §6). */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { PRIVACY_FAILPOINTS } from '../../src/engine/failpoint.ts'
import { PLACES, type Place, partition, START, shop, signUps, skeleton } from '../support/redaction.ts'
import { live } from './processes.ts'
import type { Job, WorkStep } from './worker.ts'

const places: Place[] = []
afterEach(async () => {
  for (const place of places.splice(0)) await place.remove()
})
const HINT = 'ann.q9@canary.example'

for (const { name, describe, place: make } of PLACES) {
  describe(`redaction on ${name}`, () => {
    test.each([...PRIVACY_FAILPOINTS, 'map.committed' as const])(
      'killed at %s',
      { timeout: 60_000 },
      async (failpoint) => {
        const place = await make()
        places.push(place)
        const first = await place.open()
        await first.ingest('app', signUps(), { process: true })
        await place.age(first)
        const [before, customers, orders] = [
          await skeleton(first),
          await partition(first, 'customer'),
          await partition(first, 'order'),
        ]
        const cleo = await first.identity.lookup('cleo@shop.example')
        await first.close()

        const recordsFile = join(place.folder, 'records.json')
        // One that nobody has interpreted when the redaction begins.
        writeFileSync(
          recordsFile,
          JSON.stringify([{ n: 30, kind: 'upgraded', at: START + 100, account: 'a3', tier: 'late' }]),
        )
        const { database = '', ...options } = place.options
        const open: WorkStep = { do: 'open', definitions: shop(), options }
        const steps: WorkStep[] = [
          open,
          { do: 'ingest', source: 'app', from: 0, to: 1, process: false },
          { do: 'redact', hint: HINT },
        ]
        const job: Job = { database, recordsFile, now: null, steps }
        const life = await live(place.folder, job, { failpoint })
        const reached =
          !name.includes('archive') && failpoint.startsWith('erase.store')
            ? life.killed || life.error === null
            : life.killed
        expect({ reached, error: life.error }).toEqual({ reached: true, error: null })
        const leaks = await place.leaks()
        const isBefore = ['map.committed', 'erase.frozen', 'erase.freeze.committed', 'erase.written'].includes(
          failpoint,
        )
        if (isBefore) expect(leaks.length).toBeGreaterThan(0)
        else if (!name.includes('archive')) expect(leaks).toEqual([])

        const again = await live(place.folder, { ...job, steps: [open, { do: 'redact', hint: HINT }] })
        expect(again).toMatchObject({ killed: false, error: null, done: 2 })
        expect(await place.leaks()).toEqual([])
        const last = await place.open()
        const others = (rows: unknown[]): unknown[] => rows.filter((row) => (row as unknown[])[0] !== cleo)
        expect(others(await skeleton(last))).toEqual(others(before))
        expect((await partition(last, 'customer')).map((group) => group.replace(/,9$/, ''))).toEqual(customers)
        expect(await partition(last, 'order')).toEqual(orders)
        const open_ = (await last.erasure.list()).filter(({ status }) => status !== 'closed')
        expect(open_).toEqual([])
        expect((await last.build({ fromRaw: true })).failures).toEqual([])
        expect(await place.leaks()).toEqual([])
        expect((await partition(last, 'customer')).map((group) => group.replace(/,9$/, ''))).toEqual(customers)
      },
    )
  })
}
