/** The way to the server is cut at every single commit: nobody can know whether it was carried out. */
import '../support/small-units.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Defacto, StorageError } from '../../src/index.ts'
import { type Cut, cuttingProxy } from '../support/cutting-proxy.ts'
import { describePostgres } from '../support/postgres.ts'
import { Watcher } from '../support/postgres-sessions.ts'
import { POSTGRES } from './places.ts'
import { EDITIONS, END, type Expected, expectedOf, expectIntact, NOW, type Workshop, workshop } from './shop-job.ts'

const [first, , third] = EDITIONS as unknown as [never, never, never]
const COUNT = 60

let shop: Workshop
let expected: Expected
beforeAll(() => {
  shop = workshop(COUNT, 11)
  expected = expectedOf(shop.records, first, third)
})
afterAll(() => shop.remove())

/** Every failure is expected here. */
const SILENT = { debug() {}, info() {}, warn() {}, error() {} }

const open = (definitions: object, database: string): Promise<Defacto> =>
  Defacto.fromConfig(definitions as never, {
    database,
    clock: () => new Date(NOW),
    logger: SILENT,
    batchSize: 7,
    catchUp: false,
  }) as unknown as Promise<Defacto>

describePostgres('a connection that is cut at a commit', () => {
  test.each<[Cut, string]>([
    ['before', 'the server never gets it'],
    ['after', 'its answer is lost'],
  ])(
    '%s the server has it (%s): told as unknown, and repeating loses and doubles nothing',
    {
      timeout: 120_000,
    },
    async (cut) => {
      const space = await POSTGRES.place(shop.folder, cut)
      await using proxy = await cuttingProxy(space.database)
      await using watcher = await Watcher.of(space.database)
      const failures: StorageError[] = []
      let cuts = 0

      /** The n-th attempt is cut at its n-th commit, until one has fewer. */
      async function persist<T>(work: () => Promise<T>): Promise<T> {
        for (let attempt = 1; ; attempt += 1) {
          let commits = 0
          proxy.decide = (statement) => {
            if (statement !== 'commit' || ++commits !== attempt) return null
            cuts += 1
            return cut
          }
          try {
            return await work()
          } catch (error) {
            expect(error).toBeInstanceOf(StorageError)
            failures.push(error as StorageError)
          } finally {
            proxy.decide = () => null
          }
          await watcher.atRest()
        }
      }

      const engine = await persist(() => open(first, proxy.url))
      await persist(() => engine.ingest('kiosk', shop.records.slice(0, 40), { throwIfAllFail: false }))
      await persist(() => engine.build())
      await persist(() => engine.ingest('kiosk', shop.records.slice(40), { process: true, throwIfAllFail: false }))
      await persist(() => engine.build({ full: true }))
      await engine.close()
      const renewed = await persist(() => open(third, proxy.url))
      await persist(() => renewed.build())
      await persist(() => renewed.tick({ asOf: END }))
      await renewed.close()
      await watcher.deserted()

      for (const { recoverable, details, message } of failures) {
        expect({ recoverable, details }).toMatchObject({ recoverable: true, details: { sqlstate: null } })
        expect(message).not.toContain(new URL(space.database).password)
      }
      expect(
        failures.every(({ details }) => details['operation'] === 'commit' && details['outcome'] === 'unknown'),
      ).toBe(true)
      expect(cuts).toBeGreaterThan(40)
      expect(failures.length).toBeGreaterThan(cuts / 2)
      await expectIntact(space, third, expected)
      await space.remove()
    },
  )
})
