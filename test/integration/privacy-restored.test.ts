/**
 * Databases that are lost or put back to an older copy after erasures and redactions, most of whose rows only the archive has
 * (spec 05 §4.6): what is gone stays gone, and what an older copy brings back goes with what its archive says.
 */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { Defacto, type DefactoOptions } from '../../src/index.ts'
import { inBucket, inFolders } from '../support/canary.ts'
import { testKey } from '../support/certificates.ts'
import { ADA_VALUES, ADAS, eraseDefinitions, NOW, OTHERS, openErase, sightings } from '../support/erase-world.ts'
import { room } from '../support/room.ts'
import { describeS3, freshBucket } from '../support/s3.ts'
import { readWorld } from '../support/world.ts'

const definitions = eraseDefinitions()
const BOB = 'bob@other.example'
/** Redacted; a phone is no property, so it stays. */
const EVE = ['eve@other.example', 'Evelyn Zq Other', 'eve.zq2@other.example']
const FAY = ['fay.zq@other.example', 'Fay Zq Other', '+1-zq-fay']
const met = (n: string, day: number, mail: string, name: string, more: object = {}): object => ({
  kind: 'met',
  n,
  at: new Date(Date.UTC(2024, 0, 10 + day)).toISOString(),
  contact: { mail, name, ...more },
})
const MORE = [
  met('m1', 1, EVE[0] as string, EVE[1] as string, { phone: '+1-555' }),
  met('m5', 3, EVE[2] as string, EVE[1] as string),
  met('m6', 4, EVE[2] as string, EVE[1] as string, { phone: '+1-555' }),
  met('m2', 2, FAY[0] as string, FAY[1] as string, { phone: FAY[2] }),
  { kind: 'deal', n: 'm3', at: '2024-01-20T00:00:00Z', buyer: FAY[0], vat: 'DE2', amount: 3 },
  { kind: 'reported', n: 'm4', at: '2024-01-21T00:00:00Z', ticket: 'T2', from: FAY[0] },
]
const RECORDS = [...OTHERS, ...ADAS, ...MORE]
const HIDDEN = [...ADA_VALUES, ...FAY, ...EVE]

interface Archive {
  readonly coldLedger: NonNullable<DefactoOptions['coldLedger']>
  /** Places of the archive in which a value stands. */
  found(values: readonly string[]): Promise<readonly object[]>
  drop(): Promise<void>
}

const ARCHIVES = [
  {
    name: 'a folder',
    scope: describe,
    async open(folder: string): Promise<Archive> {
      const coldLedger = join(folder, 'cold')
      return { coldLedger, found: (values) => inFolders([coldLedger], values), drop: async () => {} }
    },
  },
  {
    name: 'S3',
    scope: describeS3,
    async open(folder: string): Promise<Archive> {
      const bucket = await freshBucket({ versioned: true })
      return {
        coldLedger: { url: `${bucket.url}/cold`, storage: { endpoint: bucket.options.endpoint ?? '' } },
        async found(values) {
          const scratch = (name: string, bytes: Buffer): string => {
            const path = join(folder, name)
            writeFileSync(path, bytes)
            return path
          }
          return (await inBucket(bucket.client, bucket.name, scratch, values)).found
        },
        drop: () => bucket.drop(),
      }
    },
  },
]

const over: (() => unknown)[] = []
afterEach(async () => {
  for (const end of over.splice(0).reverse()) await end()
})

for (const { name, scope, open } of ARCHIVES) {
  scope(`with an archive in ${name}`, () => {
    async function space(): Promise<{ archive: Archive; options: DefactoOptions; file: string }> {
      const folder = mkdtempSync(join(room(), 'defacto-restored-'))
      over.push(() => rmSync(folder, { recursive: true, force: true }))
      const archive = await open(folder)
      over.push(() => archive.drop())
      const file = join(folder, 'space.db')
      const compliance = { certificates: join(folder, 'certificates'), signingKey: testKey().privatePem }
      const redactionKey = 'kept outside of the database'
      return { archive, file, options: { database: file, coldLedger: archive.coldLedger, redactionKey, compliance } }
    }
    async function start(options: DefactoOptions): Promise<Defacto> {
      const engine = await openErase(options, definitions)
      over.push(() => engine.close())
      return engine
    }
    /** All but the last row are in the archive alone. */
    async function age(engine: Defacto): Promise<void> {
      await engine.ledger.tiers.flush()
      await engine.ledger.tiers.prune({ before: (await engine.ledger.tiers.status()).head - 1 })
    }
    const removeFile = (file: string): void => {
      for (const end of ['', '-wal', '-shm']) rmSync(`${file}${end}`, { force: true })
    }
    const find = async (engine: Defacto, hint: string): Promise<string> =>
      (await engine.identity.lookup(hint)) as string

    async function forget(engine: Defacto): Promise<void> {
      await engine.erase(await find(engine, ADA_VALUES[0] as string))
      await engine.erase(await find(engine, FAY[0] as string), { suppress: true })
      await engine.redact(await find(engine, EVE[0] as string))
    }
    async function forgotten(engine: Defacto, { archive, options }: Awaited<ReturnType<typeof space>>): Promise<void> {
      expect(await sightings({ namespace: '', ...options }, HIDDEN)).toEqual([])
      expect(await archive.found(HIDDEN)).toEqual([])
      expect((await engine.ledger.tiers.verify()).problems).toEqual([])
    }

    test('a lost database comes back without those who were erased', async () => {
      const ground = await space()
      const first = await start(ground.options)
      await first.ingest('crm', RECORDS as never, { process: true })
      await age(first)
      await forget(first)
      await forgotten(first, ground)
      const before = await readWorld(first, definitions)
      const count = await first.ledger.count()
      await first.close()
      removeFile(ground.file)

      await Defacto.restore(definitions as never, { ...ground.options, clock: () => new Date(NOW), logLevel: 'ERROR' })
      const again = await start(ground.options)
      // The archive is without them, so nothing has come back about which somebody would have to decide.
      await again.erasure.assertKnown()
      await again.build()
      expect(await readWorld(again, definitions)).toEqual(before)
      expect(await again.ledger.count()).toBe(count)
      await forgotten(again, ground)

      // What was refused then is refused now; who was redacted is treated still; who was only erased begins anew.
      await again.ingest('crm', [...MORE, met('m9', 9, EVE[0] as string, EVE[1] as string)] as never, { process: true })
      await again.build({ fromRaw: true })
      expect(await find(again, FAY[0] as string)).toBeUndefined()
      await age(again)
      await forgotten(again, ground)
      await again.ingest('crm', [ADAS[0]] as never, { process: true })
      expect(await find(again, ADA_VALUES[0] as string)).toBeDefined()
      expect(await find(again, BOB)).toBeDefined()
    })

    test('a database put back to an older copy forgets what its archive has forgotten', async () => {
      const ground = await space()
      const first = await start(ground.options)
      await first.ingest('crm', RECORDS.slice(0, 9) as never, { process: true })
      await age(first)
      await first.ingest('crm', RECORDS.slice(9) as never, { process: true })
      await first.ledger.tiers.flush()
      await first.close()
      const copy = `${ground.file}.copy`
      copyFileSync(ground.file, copy)

      const second = await start(ground.options)
      await forget(second)
      await second.ingest('crm', [met('l1', 20, BOB, 'Bob')] as never, { process: true })
      await age(second)
      const before = await readWorld(second, definitions)
      const count = await second.ledger.count()
      await second.close()
      removeFile(ground.file)
      copyFileSync(copy, ground.file)
      rmSync(copy)

      const quiet = { ...ground.options, clock: () => new Date(NOW), logLevel: 'ERROR' as const }
      await Defacto.restore(definitions as never, quiet)
      const again = await start(ground.options)
      const error = await again.build().then(
        () => expect.fail('it built'),
        (thrown: { code: string; details: { lost: { certificateId: string }[] } }) => thrown,
      )
      expect(error.code).toBe('E_ERASURES_LOST')
      const certificateIds = error.details.lost.map(({ certificateId }) => certificateId)
      expect(certificateIds).toHaveLength(3)
      await again.erasure.accept({ certificateIds, by: 'Zoe', reason: 'requested again' })
      await again.build()
      // The archive knew what the copy did not, so nobody has to be asked for again.
      for (const hint of [ADA_VALUES[0], FAY[0]]) expect(await find(again, hint as string)).toBeUndefined()
      expect(await readWorld(again, definitions)).toEqual(before)
      expect(await again.ledger.count()).toBe(count)
      await forgotten(again, ground)
      await age(again)
      await again.ingest('crm', MORE as never, { process: true })
      expect(await readWorld(again, definitions)).toEqual(before)
      await again.build({ fromRaw: true })
      expect(await readWorld(again, definitions)).toEqual(before)
      await forgotten(again, ground)
    })
  })
}
