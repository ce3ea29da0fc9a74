/** Certificates of what was really erased: signed, chained, kept outside, and without a word about the person (spec 10 §10.3). */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type Certificate, subjectDigest } from '../../src/core/certificate.ts'
import { verifyCertificate } from '../../src/core/verify-certificate.ts'
import { type Failpoint, hearFailpoints } from '../../src/engine/failpoint.ts'
import type { Defacto } from '../../src/index.ts'
import { type ComplianceSpace, PLACES } from '../support/compliance-space.ts'
import { idOf, RECORDS } from '../support/merging.ts'

async function filled(defacto: Defacto): Promise<Defacto> {
  await defacto.ingest('web', RECORDS as never)
  await defacto.build()
  return defacto
}

function kept({ certificates }: ComplianceSpace): string[] {
  if (!existsSync(certificates)) return []
  return readdirSync(certificates)
    .sort()
    .map((file) => readFileSync(join(certificates, file), 'utf8'))
}

/** Everything a certificate may say, by the kind of value. A name of a store or version is of the definitions, not of people. */
const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
const ALLOWED: Readonly<Record<string, RegExp>> = {
  certificate_id: new RegExp(`^c_${UUID}$`),
  request_id: new RegExp(`^q_${UUID}$`),
  space: new RegExp(`^${UUID}$`),
  kind: /^(erase|redact|retention)$/,
  action: /^(deleted|scrubbed|rewritten|superseded|purged|declared)$/,
  method: /^(scan|index|config|declared)$/,
  store: /^([a-z_]+|backup:[a-z]+|[a-z_]+:[a-z_]+)$/,
  digest: /^[0-9a-f]{64}$/,
  hash: /^[0-9a-f]{64}$/,
  previous: /^[0-9a-f]{64}$/,
  alg: /^ed25519$/,
  key_id: /^[0-9a-f]{16}$/,
  value: /^[A-Za-z0-9+/]{86}==$/,
  package: /^\d+\.\d+\.\d+$/,
  versions: /^[0-9a-f]{8}$/,
  // Words of the program.
  reason: /^[a-zA-Z ,;:.'()/-]+$/,
}
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00$/
const INSTANTS = /^(at|until|deadline|[a-z]+(_[a-z]+)?_at)$/

function strange(value: unknown, name = ''): string[] {
  if (value === null || Number.isSafeInteger(value)) return []
  if (Array.isArray(value)) return value.flatMap((item) => strange(item, name))
  if (typeof value === 'object') return Object.entries(value).flatMap(([key, member]) => strange(member, key))
  const allowed = INSTANTS.test(name) ? INSTANT : ALLOWED[name]
  return typeof value === 'string' && allowed?.test(value) ? [] : [`${name}: ${String(value)}`]
}

function stopAt(place: Failpoint): () => void {
  onTestFinished(() => hearFailpoints(null))
  hearFailpoints((at) => {
    if (at === place) throw new Error(`stopped at ${place}`)
  })
  return () => hearFailpoints(null)
}

for (const { name, describe, space } of PLACES) {
  describe(`certificates in ${name}`, () => {
    test('say what was done, can be checked without us, and are about whom the receipt says', async () => {
      const place = space()
      const defacto = await filled(
        await place.open({
          backups: [{ name: 'nightly', expires: '35d' }, { name: 'tapes' }, { name: 'yearly', expires: '2030-01-01' }],
        }),
      )
      const ann = await idOf(defacto, 'ann')
      const asked = {
        kind: 'erase',
        hint: 'person.mail=ann',
        reason: 'Ann wrote to us',
        requestedBy: 'Zoe of the desk',
      } as const
      const { request, receipt } = await defacto.erasure.request(asked)
      place.clock.set('+2d')
      await defacto.erasure.run()
      const certificate = await defacto.erasure.certificate(request.requestId)
      expect(certificate).toMatchObject({
        v: 1,
        request_id: request.requestId,
        kind: 'erase',
        requested_at: '2024-06-01T00:00:00+00:00',
        approved_at: '2024-06-01T00:00:00+00:00',
        pivot_at: '2024-06-03T00:00:00+00:00',
        completed_at: '2024-06-03T00:00:00+00:00',
        deadline: '2024-07-01T00:00:00+00:00',
        ledger_head: RECORDS.length,
        previous: '0'.repeat(64),
        versions: [defacto.activeVersion],
      })
      expect(certificate.events_deleted + certificate.events_scrubbed).toBeGreaterThan(0)
      expect(certificate.subject).toEqual({ digest: subjectDigest(receipt ?? '', ann), entities: 1 })
      expect(certificate.outstanding.slice(0, 3).map(({ store, until }) => [store, until])).toEqual([
        ['backup:nightly', '2024-07-08T00:00:00+00:00'],
        ['backup:tapes', null],
        ['backup:yearly', '2030-01-01T00:00:00+00:00'],
      ])
      const names = certificate.stores.map(({ store }) => store)
      expect(names).toEqual([...names].sort())
      for (const { verified } of certificate.stores) {
        expect(verified.remaining).toBe(verified.method === 'declared' ? null : 0)
      }

      const [text = ''] = kept(place)
      expect(JSON.parse(text)).toEqual(certificate)
      expect(verifyCertificate(text, { publicKey: place.key.pem, chain: kept(place) })).toEqual([])
      expect(strange(certificate)).toEqual([])
      for (const secret of ['Ann wrote', 'Zoe of', ann, receipt ?? '', place.folder]) expect(text).not.toContain(secret)
    })

    test('of redactions are of the same chain', async () => {
      const place = space()
      const defacto = await filled(await place.open())
      const [ann, bob, cat] = [await idOf(defacto, 'ann'), await idOf(defacto, 'bob'), await idOf(defacto, 'cat')]
      await defacto.erase(ann)
      await defacto.redact(bob)
      await defacto.erase(cat)
      const all = await defacto.erasure.certificates()
      expect(all.map(({ kind }) => kind)).toEqual(['erase', 'redact', 'erase'])
      expect(all.map(({ previous }) => previous)).toEqual(['0'.repeat(64), all[0]?.hash, all[1]?.hash])
      expect(all.flatMap((certificate) => strange(certificate))).toEqual([])
      for (const text of kept(place)) {
        expect(verifyCertificate(text, { publicKey: place.key.pem, chain: kept(place) })).toEqual([])
      }
    })

    test('are one chain, whoever is first', async () => {
      const place = space()
      const engines = [await filled(await place.open()), await place.open(), await place.open()]
      const ids = await Promise.all(['ann', 'bob', 'cat'].map((mail) => idOf(engines[0] as Defacto, mail)))
      const done = await Promise.all(ids.map((id, i) => (engines[i] as Defacto).erase(id)))
      expect(done.map(({ complete }) => complete)).toEqual([true, true, true])
      const texts = kept(place)
      expect(texts.length).toBe(3)
      for (const text of texts) {
        expect(verifyCertificate(text, { publicKey: place.key.pem, chain: texts })).toEqual([])
      }
    })

    test('are made whole or not at all, and once', async () => {
      const place = space()
      const defacto = await filled(await place.open())
      const [ann, bob] = [await idOf(defacto, 'ann'), await idOf(defacto, 'bob')]
      const goOn = stopAt('certify.written')
      await expect(defacto.erase(ann)).rejects.toThrow('stopped')
      goOn()
      expect(await defacto.erasure.certificates()).toEqual([])
      const [request] = await defacto.erasure.list()
      expect(request).toMatchObject({ status: 'verifying', closedAt: null })
      expect(await defacto.erasure.run()).toMatchObject([{ status: 'closed' }])
      const first = await defacto.erasure.certificate(request?.requestId ?? '')
      expect(await defacto.erasure.run([request?.requestId ?? ''])).toMatchObject([{ status: 'closed' }])
      expect(await defacto.erasure.certificates()).toEqual([first])

      // One that is in the database alone is kept outside at the next opening.
      stopAt('certify.committed')
      await expect(defacto.erase(bob)).rejects.toThrow('stopped')
      hearFailpoints(null)
      expect((await defacto.erasure.certificates()).length).toBe(2)
      expect(kept(place).length).toBe(1)
      await place.open()
      const texts = kept(place)
      expect(texts.map((text) => JSON.parse(text) as Certificate)).toEqual(await defacto.erasure.certificates())
      expect(verifyCertificate(texts[1] ?? '', { publicKey: place.key.pem, chain: texts })).toEqual([])
    })

    test('leave nothing in the database by which anybody could be recognized', async () => {
      const place = space()
      const defacto = await filled(await place.open())
      const asked = { kind: 'erase', hint: 'person.mail=ann', reason: 'a letter', requestedBy: 'Zoe' } as const
      const { request } = await defacto.erasure.request(asked)
      await defacto.erasure.run()
      const status = await defacto.erasure.status(request.requestId)
      expect(status).toMatchObject({
        status: 'closed',
        reason: null,
        requestedBy: null,
        approvedBy: null,
        receipt: null,
      })
      expect(status.closedAt).toBe('2024-06-01T00:00:00+00:00')
    })
  })
}
