/**
 * Persons are erased and redacted while other processes ingest, build, tick and keep the archive in order, and die at random
 * instants: in the end the erased ones are nowhere, and everybody else is what a space has that never heard of them.
 */
import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { certificateText } from '../../src/core/certificate.ts'
import { verifyCertificate } from '../../src/core/verify-certificate.ts'
import type { Defacto, DefactoOptions } from '../../src/index.ts'
import type { World } from '../oracle/oracle.ts'
import { inFolders } from '../support/canary.ts'
import { testKey } from '../support/certificates.ts'
import { eraseDefinitions, NOW, openErase, sightings } from '../support/erase-world.ts'
import { room } from '../support/room.ts'
import { random } from '../support/shop-records.ts'
import { readWorld } from '../support/world.ts'
import { BACKENDS } from './places.ts'
import { live } from './processes.ts'
import type { Job, WorkStep } from './worker.ts'

const definitions = eraseDefinitions()
const LATER = '2024-03-01T06:00:00Z'
const KEY = 'a key that all spaces of this test share'
const signer = testKey()

type Kind = 'gone' | 'hidden' | 'kept'
type Record_ = Record<string, unknown>
const mail = (who: string, no: number): string => `${who}.zq${no}@beside.example`
const phone = (who: string): string => `+43-zq-${who}`
const nameOf = (who: string): string => `Name-zq-${who}`
const valuesOf = (who: string): string[] => [mail(who, 1), mail(who, 2), phone(who), nameOf(who)]

/** Everybody says the same things; no two events have one instant, so that their order is nobody's choice. */
class Town {
  readonly people = new Map<string, Kind>()
  /** Everything of those who go, and what ties the addresses of the others together. */
  readonly early: Record_[] = []
  readonly late: Record_[] = []
  /** What a space has that never heard of those who go. */
  readonly without: Record_[] = []
  #minute = 0

  constructor() {
    for (const [kind, count] of [
      ['gone', 7],
      ['hidden', 4],
      ['kept', 8],
    ] as const) {
      for (let n = 0; n < count; n += 1) this.#settle(`${kind}${n}`, kind, n)
    }
  }

  of(kind: Kind): string[] {
    return [...this.people].flatMap(([who, own]) => (own === kind ? [who] : []))
  }

  #settle(who: string, kind: Kind, n: number): void {
    this.people.set(who, kind)
    const early = (record: Record_, without?: Record_): void => this.#say(this.early, kind, record, without)
    const more = kind === 'gone' ? this.early : this.late
    const contact = (no: number, extra: object = {}): Record_ => ({
      kind: 'met',
      contact: { mail: mail(who, no), name: nameOf(who), ...extra },
    })
    early(contact(1))
    early(contact(2))
    early(contact(1, { phone: phone(who) }))
    early(contact(2, { phone: phone(who) }))
    for (let round = 0; round < 6; round += 1) {
      const company = { kind: 'deal', vat: `DE${(n + round) % 5}`, amount: n * 10 + round }
      const ticket = { kind: 'reported', ticket: `T${(n * 2 + round) % 7}` }
      this.#say(more, kind, { kind: 'called', caller: phone(who) })
      this.#say(more, kind, { ...company, buyer: mail(who, 1 + (round % 2)) }, company)
      this.#say(more, kind, { ...ticket, from: mail(who, 1) }, ticket)
      this.#say(more, kind, contact(1 + (round % 2), { phone: phone(who) }))
    }
  }

  #say(to: Record_[], kind: Kind, record: Record_, without?: Record_): void {
    this.#minute += 7
    const stamp = { n: `n${this.#minute}`, at: new Date(Date.UTC(2024, 0, 1, 0, this.#minute)).toISOString() }
    to.push({ ...record, ...stamp })
    if (kind !== 'gone') this.without.push({ ...record, ...stamp })
    else if (without !== undefined) this.without.push({ ...without, ...stamp })
  }
}

const town = new Town()
const ingested = [...town.early, ...town.late]
const horizon = '2024-06-30T00:00:00Z'

let folder: string
let recordsFile: string
let expected: World
beforeAll(async () => {
  folder = mkdtempSync(join(room(), 'defacto-erase-beside-'))
  recordsFile = join(folder, 'records.json')
  writeFileSync(recordsFile, JSON.stringify(ingested))
  const engine = await openErase({ database: join(folder, 'without.db'), redactionKey: KEY }, definitions)
  await engine.ingest('crm', town.without as never, { process: true })
  for (const who of town.of('hidden')) await engine.redact((await engine.identity.lookup(mail(who, 1))) as string)
  await engine.tick({ asOf: horizon })
  expected = await readWorld(engine, definitions)
  await engine.close()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Does the steps in one process after another, the first ones of which are killed at instants nobody chose. */
async function restless(job: Job, kills: number, next: () => number): Promise<void> {
  let from = 0
  for (let life = 0; ; life += 1) {
    const [open, ...rest] = job.steps as [WorkStep, ...WorkStep[]]
    const steps = [open, ...rest.slice(from)]
    const when = life < kills ? { killAfterSteps: Math.floor(next() * 3), killAfterMs: next() * 250 } : {}
    const { done, killed, error } = await live(folder, { ...job, steps }, { ...when, chunk: 30 })
    expect(error).toBeNull()
    if (!killed) return
    from += Math.max(0, done - 1)
  }
}

function shuffled<T>(items: readonly T[], next: () => number): T[] {
  return items
    .map((item) => ({ item, at: next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

async function idsOf(options: DefactoOptions, kind: Kind): Promise<string[]> {
  const engine = await openErase(options, definitions)
  const ids: string[] = []
  for (const who of town.of(kind)) {
    const id = (await engine.identity.lookup(mail(who, 1))) as string
    ids.push(id, ...(await engine.identity.merges(id)).map(({ mergedEntity }) => mergedEntity))
  }
  await engine.close()
  return ids
}

for (const { name, describe, place } of BACKENDS) {
  describe(name, () => {
    test('erasures and redactions beside processes that ingest, build, archive and die', async () => {
      const next = random(name.length)
      const space = await place(folder, 'beside')
      const cold = join(folder, `cold-${name}`)
      mkdirSync(cold)
      const options: DefactoOptions = {
        database: space.database,
        coldLedger: cold,
        redactionKey: KEY,
        compliance: { certificates: join(folder, `certificates-${name}`), signingKey: signer.privatePem },
      }
      const { database: _, ...given } = options
      const open: WorkStep = { do: 'open', definitions, options: given }
      const ingest = (from: number, to: number): WorkStep => ({
        do: 'ingest',
        source: 'crm',
        from,
        to,
        process: from % 2 === 0,
      })
      const job = (steps: WorkStep[]): Job => ({
        database: space.database,
        recordsFile,
        now: NOW,
        steps: [open, ...steps],
        patient: true,
      })
      const early = town.early.length
      const start: WorkStep[] = [ingest(0, early), { do: 'build' }, { do: 'archive', keep: 40 }]
      expect(await live(folder, job(start))).toMatchObject({ error: null, killed: false })
      const gone = await idsOf(options, 'gone')

      // What is sent again is a repeat before the erasure, and refused after it.
      const parts: WorkStep[] = []
      for (let at = early; at < ingested.length; at += 12) {
        const again = Math.floor(next() * early)
        parts.push(ingest(at, Math.min(ingested.length, at + 12)), ingest(again, Math.min(early, again + 20)))
      }
      const builds: WorkStep[] = [
        { do: 'build' },
        { do: 'build', full: true },
        { do: 'tick', asOf: horizon },
        { do: 'build', fromRaw: true },
      ]
      const keeping: WorkStep[] = [
        { do: 'archive', keep: 30 },
        { do: 'maintain', retentionMs: 0 },
      ]
      const requests: WorkStep[] = [
        ...town.of('gone').map((who): WorkStep => ({ do: 'erase', hint: mail(who, 1), suppress: true })),
        ...town.of('hidden').map((who): WorkStep => ({ do: 'redact', hint: mail(who, 1) })),
      ]
      // Every erasure meets it, and has to be alone to remove it.
      leaveUnfinished(cold, mail('gone0', 1))
      const litter = setInterval(() => leaveUnfinished(cold, 'half a file'), 200)
      const repeat = (steps: WorkStep[], times: number): WorkStep[] => Array.from({ length: times }, () => steps).flat()
      await Promise.all([
        restless(job(parts), 3, next),
        restless(job(repeat(builds, 3)), 3, next),
        restless(job(repeat(keeping, 6)), 3, next),
        restless(job(shuffled(requests, next)), 4, next),
      ]).finally(() => clearInterval(litter))

      const engine = await openErase(options, definitions, LATER)
      try {
        await engine.erasure.run()
        await engine.build()
        await engine.tick({ asOf: horizon })
        await nowhere(engine, options, gone)
        expect(await readWorld(engine, definitions)).toEqual(expected)
        await sound(engine)
        await engine.build({ full: true })
        expect(await readWorld(engine, definitions)).toEqual(expected)
        await engine.build({ fromRaw: true })
        expect(await readWorld(engine, definitions)).toEqual(expected)
        await engine.ledger.tiers.flush()
        await nowhere(engine, options, gone)
      } finally {
        await engine.close()
      }
      await space.expectSound()
      await space.remove()
    })
  })
}

/** What a writer that dies in the midst of a file leaves in the archive. */
function leaveUnfinished(cold: string, text: string): void {
  mkdirSync(join(cold, '.unfinished~'), { recursive: true })
  writeFileSync(join(cold, '.unfinished~', randomUUID()), text)
}

/** Of those who were erased nothing is found, and of those who were redacted no value. */
async function nowhere(engine: Defacto, options: DefactoOptions, gone: readonly string[]): Promise<void> {
  const values = [
    ...town.of('gone').flatMap(valuesOf),
    // A phone is no property of theirs, so it stays.
    ...town.of('hidden').flatMap((who) => [mail(who, 1), mail(who, 2), nameOf(who)]),
  ]
  expect(await sightings({ namespace: 'defacto', ...options }, values)).toEqual([])
  await engine.ledger.tiers.compact()
  await engine.ledger.tiers.vacuum({ retentionMs: 0 })
  expect(await inFolders([options.coldLedger as string], values)).toEqual([])
  const rows = (await engine.history('person').rows()) as unknown as { person_id: string }[]
  expect(rows.filter(({ person_id }) => gone.includes(person_id))).toEqual([])
  for (const id of gone) {
    expect(await engine.identity.hints(id)).toEqual({})
    expect(await engine.ledger.eventsFor(id)).toEqual([])
  }
}

/** Every sequence is archived once, as it should be; every request has its certificate, each signed behind the one before. */
async function sound(engine: Defacto): Promise<void> {
  const { tiers } = engine.ledger
  await tiers.flush()
  expect((await tiers.verify()).problems).toEqual([])
  const { head } = await tiers.status()
  expect(await tiers.status()).toMatchObject({ flushed: head, coldRows: head, staged: 0 })
  const requests = await engine.erasure.list()
  expect(requests.filter(({ status }) => status !== 'closed')).toEqual([])
  const certificates = await engine.erasure.certificates()
  expect(certificates).toHaveLength(requests.length)
  const chain = certificates.map(certificateText)
  for (const text of chain) expect(verifyCertificate(text, { publicKey: signer.pem, chain })).toEqual([])
}
