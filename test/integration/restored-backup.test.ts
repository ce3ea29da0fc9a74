/** A database from a backup that is older than what was erased: nothing is built or exported until somebody has decided. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Certificate } from '../../src/core/certificate.ts'
import { verifyCertificate } from '../../src/core/verify-certificate.ts'
import { type ConflictError, NotFoundError } from '../../src/errors.ts'
import type { Defacto } from '../../src/index.ts'
import { testChain, testKey } from '../support/certificates.ts'
import { Project } from '../support/cli.ts'
import { type ComplianceSpace, complianceSpace } from '../support/compliance-space.ts'
import { idOf, merging, RECORDS, seen } from '../support/merging.ts'
import { describePostgres, execute, freshDatabase, postgresUrl } from '../support/postgres.ts'

/** A space with real backups: a copy of the file, or a database made from it by the server. */
interface Restorable {
  readonly space: ComplianceSpace
  /** Where the database as it is now can be put back. Nobody may have it open. */
  backUp(): Promise<void>
  restore(): Promise<void>
}

async function onSqlite(): Promise<Restorable> {
  const space = complianceSpace({ options: {}, drop: async () => {} })
  const file = String(space.options.database)
  const kept = join(space.folder, 'backup')
  const copy = (from: string, to: string): void => {
    rmSync(to, { recursive: true, force: true })
    mkdirSync(to, { recursive: true })
    for (const end of ['', '-wal', '-shm']) {
      if (existsSync(`${from}${end}`)) copyFileSync(`${from}${end}`, join(to, `space.db${end}`))
    }
  }
  return {
    space,
    backUp: async () => copy(file, kept),
    async restore() {
      for (const end of ['', '-wal', '-shm']) rmSync(`${file}${end}`, { force: true })
      for (const name of readdirSync(kept)) copyFileSync(join(kept, name), join(space.folder, name))
    },
  }
}

async function onPostgres(): Promise<Restorable> {
  const { url, drop } = await freshDatabase()
  const name = new URL(url).pathname.slice(1)
  const space = complianceSpace({ options: { database: url }, drop })
  const remove = (which: string): Promise<void> =>
    execute(postgresUrl(), `drop database if exists ${which} with (force)`)
  const copy = async (from: string, to: string): Promise<void> => {
    await remove(to)
    await execute(postgresUrl(), `create database ${to} template ${from}`)
  }
  onTestFinished(() => remove(`${name}_backup`))
  return {
    space,
    backUp: () => copy(name, `${name}_backup`),
    restore: () => copy(`${name}_backup`, name),
  }
}

const PLACES = [
  { name: 'a SQLite file', describe, restorable: onSqlite },
  { name: 'Postgres', describe: describePostgres, restorable: onPostgres },
] as const

async function filled(space: ComplianceSpace): Promise<Defacto> {
  const defacto = await space.open()
  await defacto.ingest('web', RECORDS as never)
  await defacto.build()
  return defacto
}

const lostError = (defacto: Defacto): Promise<ConflictError> =>
  defacto.build().then(
    () => expect.fail('it built'),
    (error: ConflictError) => error,
  )

for (const { name, describe: describeIn, restorable } of PLACES) {
  describeIn(`a restored backup of ${name}`, () => {
    test('builds and exports nothing until somebody has decided; then the chain goes on', async () => {
      const { space, backUp, restore } = await restorable()
      const before = await filled(space)
      const [ann, bob, cat] = [await idOf(before, 'ann'), await idOf(before, 'bob'), await idOf(before, 'cat')]
      await before.erase(ann)
      await before.close()
      await backUp()
      const later = await space.open()
      await later.erase(bob)
      await later.redact(cat)
      const [, ...missing] = await later.erasure.certificates()
      await later.close()
      await restore()

      const defacto = await space.open()
      expect(await defacto.identity.lookup('bob')).toBe(bob)
      const error = await lostError(defacto)
      expect(error).toMatchObject({ name: 'ConflictError', code: 'E_ERASURES_LOST' })
      for (const { request_id, certificate_id, pivot_at } of missing) {
        for (const said of [request_id, certificate_id, pivot_at]) expect(error.message).toContain(said)
      }
      for (const secret of [ann, bob, cat]) expect(error.message).not.toContain(secret)
      const lost = { code: 'E_ERASURES_LOST' }
      await expect(defacto.tick()).rejects.toMatchObject(lost)
      const file = join(space.folder, 'people.csv')
      await expect(defacto.table('person').toCsv(file)).rejects.toMatchObject(lost)
      expect([existsSync(file), await defacto.exports()]).toEqual([false, []])
      await expect(defacto.erasure.assertKnown()).rejects.toMatchObject(lost)
      // Nothing is certified behind a certificate that has followers elsewhere.
      await expect(defacto.erase(bob)).rejects.toMatchObject(lost)
      // What arrives is kept.
      await defacto.ingest('web', [seen('eve', 70, 'free')] as never)
      await defacto.close()

      // Whoever opens it next is told, too; so is one that was open before somebody decided.
      const [deciding, waiting] = [await space.open(), await space.open()]
      const ids = missing.map(({ certificate_id: id }) => id)
      const accept = (certificateIds: readonly string[], by = 'Zoe', reason = 'requested again'): Promise<void> =>
        deciding.erasure.accept({ certificateIds, by, reason })
      await expect(accept(ids.slice(0, 1))).rejects.toThrow(ids[1])
      await expect(accept([...ids, 'c_0'])).rejects.toThrow(NotFoundError)
      await expect(accept(ids, ' ')).rejects.toMatchObject({ code: 'E_CONFIG' })
      await accept(ids)
      await deciding.build()
      await waiting.build()
      await deciding.table('person').toCsv(file)
      expect(existsSync(file)).toBe(true)

      // They are asked for again, and what follows joins the same chain.
      await deciding.erase(bob)
      await deciding.redact(cat)
      expect(await deciding.identity.lookup('bob')).toBeUndefined()
      const chain = await deciding.erasure.certificates()
      expect(chain.length).toBe(5)
      const texts = readdirSync(space.certificates).map((id) => readFileSync(join(space.certificates, id), 'utf8'))
      expect(texts.length).toBe(5)
      for (const text of texts) expect(verifyCertificate(text, { publicKey: space.key.pem, chain: texts })).toEqual([])
      await deciding.close()
      await (await space.open()).build()
    })

    test('from before the first erasure is found out, too', async () => {
      const { space, backUp, restore } = await restorable()
      const before = await filled(space)
      await before.close()
      await backUp()
      const later = await space.open()
      await later.erase(await idOf(later, 'ann'))
      const [certificate] = await later.erasure.certificates()
      await later.close()
      await restore()
      const defacto = await space.open()
      expect(await defacto.erasure.certificates()).toEqual([])
      expect((await lostError(defacto)).details['lost']).toEqual([
        {
          certificateId: certificate?.certificate_id,
          requestId: certificate?.request_id,
          kind: 'erase',
          pivotAt: certificate?.pivot_at,
          entities: 1,
        },
      ])
    })

    test('in which the request was open does it again under the same request', async () => {
      const { space, backUp, restore } = await restorable()
      const before = await filled(space)
      const ann = await idOf(before, 'ann')
      const { request } = await before.erasure.request({ kind: 'erase', entityId: ann })
      await before.close()
      await backUp()
      const later = await space.open()
      await later.erasure.run()
      const [first] = await later.erasure.certificates()
      await later.close()
      await restore()
      const defacto = await space.open()
      await expect(defacto.erasure.run()).rejects.toMatchObject({ code: 'E_ERASURES_LOST' })
      const certificateIds = [first?.certificate_id ?? '']
      await defacto.erasure.accept({ certificateIds, by: 'Zoe', reason: 'it is open here' })
      expect(await defacto.erasure.run()).toMatchObject([{ requestId: request.requestId, status: 'closed' }])
      const [, second] = await defacto.erasure.certificates()
      expect(second).toMatchObject({ request_id: request.requestId, previous: first?.hash })
      expect((await defacto.erasure.status(request.requestId)).certificateId).toBe(second?.certificate_id)
      expect(await defacto.identity.lookup('ann')).toBeUndefined()
    })
  })
}

describe('certificates beside a database', () => {
  test('of other spaces, or that nobody signed, are nobody’s loss', async () => {
    const space = complianceSpace({ options: {}, drop: async () => {} })
    const before = await filled(space)
    await before.erase(await idOf(before, 'ann'))
    await before.close()
    const { CertificateFolder } = await import('../../src/adapters/files/certificate-folder.ts')
    const folder = new CertificateFolder(space.certificates)
    for (const stranger of testChain(3, testKey())) await folder.keep(stranger.certificate_id, JSON.stringify(stranger))
    const [id = ''] = await folder.ids()
    await folder.keep('c_0190c000-0000-7000-8000-0000000000aa', '{')
    const real = (await folder.ids()).at(-1) ?? ''
    const changed = { ...(JSON.parse((await folder.read(real)) ?? '') as Certificate), events_deleted: 99 }
    await folder.keep('c_0190c000-0000-7000-8000-0000000000ab', JSON.stringify(changed))
    expect(id).not.toBe('')
    await (await space.open()).build()
    // A new database is another space.
    rmSync(String(space.options.database))
    const fresh = await space.open({}, { database: join(space.folder, 'other.db') })
    await fresh.build()
  })

  test('are found in whatever number', async () => {
    const space = complianceSpace({ options: {}, drop: async () => {} })
    const defacto = await filled(space)
    const { spaceId } = await defacto.stats()
    await defacto.close()
    const { CertificateFolder } = await import('../../src/adapters/files/certificate-folder.ts')
    const folder = new CertificateFolder(space.certificates)
    const chain = testChain(230, space.key, { space: spaceId })
    for (const one of chain) await folder.keep(one.certificate_id, JSON.stringify(one))
    const restored = await space.open()
    const error = await lostError(restored)
    expect(error.message).toContain('and 210 more')
    expect((error.details['lost'] as unknown[]).length).toBe(230)
    const certificateIds = chain.map(({ certificate_id: id }) => id)
    await restored.erasure.accept({ certificateIds, by: 'Zoe', reason: 'a test' })
    const known = (await restored.erasure.certificates()).map(({ certificate_id: id }) => id)
    expect(known).toEqual(certificateIds)
    await restored.build()
  })
})

describe('the command line', () => {
  test('names what is lost, and goes on once somebody has accepted it', async () => {
    const project = new Project()
    onTestFinished(() => project.remove())
    project.put('defacto.config.ts', 'export default { engine: "local" }\n')
    for (const [type, entity] of Object.entries(merging.entities)) {
      project.put(`definitions/entities/${type}.yaml`, JSON.stringify({ [type]: entity }))
    }
    project.put('definitions/sources/web.yaml', JSON.stringify(merging.sources))
    const lines = RECORDS.map((record) => JSON.stringify(record)).join('\n')
    expect((await project.run(['ingest', 'web', '--process', '-'], { input: lines })).code).toBe(0)
    const backup = project.path('backup.db')
    copyFileSync(project.path('.defacto', 'defacto.db'), backup)
    const erased = await project.json(['erase', 'request', '--hint', 'person.mail=ann', '--yes'])
    expect(erased.error).toBeNull()
    expect((await project.json(['erase', 'run', '--yes'])).code).toBe(0)
    const [file = ''] = readdirSync(project.path('.defacto', 'certificates'))
    const id = file.replace('.json', '')
    for (const end of ['-wal', '-shm']) rmSync(project.path('.defacto', `defacto.db${end}`), { force: true })
    copyFileSync(backup, project.path('.defacto', 'defacto.db'))

    const doctor = await project.run(['doctor'])
    expect([doctor.code, doctor.out + doctor.err]).toEqual([6, expect.stringContaining(id)])
    const build = await project.json(['build', '--full'])
    expect([build.code, build.error?.code]).toEqual([6, 'E_ERASURES_LOST'])
    const accepted = await project.json(['erase', 'accept', id, '--reason', 'asked for again', '--yes'])
    expect(accepted.error).toBeNull()
    expect((await project.json(['build', '--full'])).code).toBe(0)
    expect((await project.run(['doctor'])).code).toBe(0)
  })
})
