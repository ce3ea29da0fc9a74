/** Erasures, holds and certificates on the command line, by hasty people and by people who mean no good. */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Ended, Project } from '../support/cli.ts'

const SOURCE = join(import.meta.dirname, '..', '..')
const DENIZ = 'deniz.egger1@studio.example'
const GRETE = 'grete.weber3@works.example'

let project: Project
const run = (...args: string[]): Promise<Ended> => project.run(args)
const json = (...args: string[]) => project.json(args)

async function planned(hint: string): Promise<Record<string, unknown>> {
  return (await json('erase', 'plan', '--hint', hint)).data
}

beforeAll(async () => {
  project = new Project()
  for (const folder of ['entities', 'schemas', 'sources']) {
    cpSync(join(SOURCE, 'definitions', folder), project.path(folder), { recursive: true })
  }
  project.put('defacto.config.yaml', 'cold_ledger: { url: archive }\n')
  for (const source of ['app', 'billing']) {
    const records = join(SOURCE, 'infra', 'sample', `${source}-2024-01.ndjson`)
    expect((await project.run(['ingest', source, records, '--quiet'])).err).toBe('')
  }
  expect((await project.run(['build', '--as-of', '2024-05-01', '--quiet'])).code).toBe(0)
}, 60_000)
afterAll(() => project.remove())

describe('values in the wrong place', { timeout: 60_000, concurrent: true }, () => {
  it.each([
    [7, ['erase', 'plan', '--entity', DENIZ]],
    [7, ['erase', 'request', '--entity', DENIZ, '--yes']],
    [7, ['subject', 'export', '--entity', DENIZ, '--to', 'there']],
    [7, ['hold', 'add', '--entity', DENIZ, '--reason', 'audit']],
    [7, ['hold', 'release', DENIZ]],
    [7, ['merge', GRETE, DENIZ, '--reason', 'one', '--yes']],
    [8, ['merge', GRETE, DENIZ, '--reason', 'one']],
    [7, ['erase', 'status', DENIZ]],
    [7, ['erase', 'approve', DENIZ]],
    [7, ['erase', 'run', DENIZ]],
    [7, ['erase', 'certificate', DENIZ]],
    [7, ['erase', 'accept', DENIZ, '--reason', 'known', '--yes']],
    [2, ['erase', 'plan', '--hint', DENIZ]],
    [2, ['erase', 'plan', '--hint', `customer.${DENIZ}=1`]],
    [7, ['erase', 'plan', '--hint', `custmer.email=${DENIZ}`]],
    [7, ['erase', 'plan', '--hint', `customer.phone=${DENIZ}`]],
  ])('are not repeated: exit %i of %j', async (code, args) => {
    const { out, err, ...ended } = await run(...args, '-o', 'json')
    expect(ended.code).toBe(code)
    expect(out + err).not.toMatch(/deniz|egger|grete/i)
  })

  it('a hint may be written with blanks and capitals, and values may hold an equals sign', async () => {
    const { entity_id: entityId } = await planned(`customer.email=${DENIZ}`)
    expect(entityId).toMatch(/^[0-9a-f-]{36}$/)
    expect(await planned(` customer . email = ${DENIZ.toUpperCase()} `)).toMatchObject({ entity_id: entityId })
    expect(await json('erase', 'plan', '--hint', 'customer.email=a=b')).toMatchObject({ code: 7 })
  })

  it('a hold keeps no value that an erasure takes away', async () => {
    for (const where of [{ email: DENIZ }, { or: [{ plan: 'pro' }, { not: { account_id: { contains: 'egger' } } }] }]) {
      const { out, err, code } = await run('hold', 'add', '--type', 'customer', '--where', JSON.stringify(where), '--reason', 'x') // biome-ignore format: one command
      expect(code).toBe(2)
      expect(out + err).not.toMatch(/deniz|egger/i)
      expect(err).toContain('--entity')
    }
    const asked = await json('hold', 'add', '--type', 'customer', '--where', '{"phone":{"isNull":true}}', '--reason', 'x') // biome-ignore format: one command
    expect(asked.code).toBe(0)
    const { hold_id: holdId } = asked.data as { hold_id: string }
    expect((await run('hold', 'release', holdId)).code).toBe(8)
    expect((await run('hold', 'release', holdId, '--yes')).code).toBe(0)
  })
})

describe('places and answers', { timeout: 60_000 }, () => {
  it('keys of JSON are written alike, all the way down', async () => {
    expect((await run('export', 'customers.csv', '--types', 'customer')).code).toBe(0)
    const { exports } = (await planned(`customer.email=${DENIZ}`)) as { exports: object[] }
    expect(exports[0]).toMatchObject({ export_id: expect.any(String), entity_types: ['customer'] })
  })

  it("one person's data goes into a folder, and what is no folder is not touched", async () => {
    const before = ((await planned(`customer.email=${DENIZ}`)) as { exports: object[] }).exports.length
    const file = project.put('notes.txt', 'mine')
    const told = await json('subject', 'export', '--hint', `customer.email=${DENIZ}`, '--to', file)
    expect(told).toMatchObject({ code: 1, error: { class: 'StorageError' } })
    expect(readFileSync(project.path(file), 'utf8')).toBe('mine')
    expect((await planned(`customer.email=${DENIZ}`))['exports']).toHaveLength(before)
  })

  it('on a narrow terminal ids of requests stay whole', async () => {
    const made = await json('erase', 'request', '--hint', `customer.email=${GRETE}`, '--yes', '--later')
    const { request_id: requestId } = made.data as { request_id: string }
    const { out } = await project.run(['erase', 'status'], { env: { COLUMNS: '80', FORCE_COLOR: '1' } })
    expect(out).toContain(requestId)
    expect((await run('erase', 'refuse', requestId, '--reason', 'a test')).code).toBe(0)
    const never = await run('erase', 'certificate', requestId)
    expect([never.code, never.err]).toEqual([7, expect.stringContaining('it was refused')])
    const again = await json('erase', 'run', requestId, requestId)
    expect((again.data as { requests: unknown[] }).requests).toHaveLength(1)
    expect((await run('erase', 'run', requestId)).out).toContain('0 requests closed, 0 open, 1 refused')
  })
})

describe('certificates', { timeout: 60_000 }, () => {
  const KEY = '.defacto/signing-key.pub.pem'
  beforeAll(async () => {
    const made = await json('erase', 'request', '--hint', `customer.email=${DENIZ}`, '--yes')
    expect(made).toMatchObject({ code: 0, data: { status: 'closed' } })
    const { request_id: requestId } = made.data as { request_id: string }
    expect((await run('erase', 'certificate', requestId, '--out', 'certificate.json')).code).toBe(0)
  }, 60_000)

  it.each([
    '{"v":1}',
    '[]',
    'null',
    '"certificate"',
    '{"v":1,"signature":{}}',
    '{"v":1,"stores":[null],"outstanding":[],"signature":{}}',
    '{',
  ])('what is none proves nothing: %s', async (text) => {
    project.put('none.json', text)
    const told = await json('erase', 'verify', 'none.json', '--public-key', KEY, '--receipt', 'a', '--entity', 'b')
    expect(told).toMatchObject({ code: 5, data: { valid: false } })
  })

  it('junk beside a chain is passed over or named', async () => {
    cpSync(project.path('.defacto', 'certificates'), project.path('chain'), { recursive: true })
    mkdirSync(project.path('chain', 'old.json'))
    project.put('chain/README.txt', 'what this is')
    const verify = ['erase', 'verify', 'certificate.json', '--public-key', KEY, '--chain', 'chain']
    expect(await json(...verify)).toMatchObject({ code: 0 })
    project.put('chain/zzz.json', '{ no')
    expect(await json(...verify)).toMatchObject({ code: 5, data: { problems: ['zzz.json is not JSON'] } })
    rmSync(project.path('chain', 'zzz.json'))
    const [first = ''] = readdirSync(project.path('chain')).filter((name) => name.startsWith('c_'))
    rmSync(project.path('chain', first))
    expect(await json(...verify)).toMatchObject({ code: 5, data: { valid: false } })
  })
})

describe('requests', { timeout: 60_000 }, () => {
  it('nobody approves their own one under another spelling of their name', async () => {
    const file = 'defacto.config.yaml'
    const config = readFileSync(project.path(file), 'utf8')
    project.put(file, `${config}compliance: { approval: required }\n`)
    const asked = ['erase', 'request', '--hint', `customer.email=${GRETE}`, '--yes']
    const made = await json(...asked, '--by', 'Ann Officer')
    const { request_id: requestId } = made.data as { request_id: string }
    expect(made).toMatchObject({ code: 0, data: { status: 'requested', waiting_for: 'approval' } })
    for (const name of [' ann  OFFICER', 'Ann\u00a0Officer', 'Ａnn Officer\u200b']) {
      expect((await run('erase', 'approve', requestId, '--by', name, '--yes')).code).toBe(8)
    }
    expect((await run('erase', 'refuse', requestId, '--reason', 'a test')).code).toBe(0)
    project.put(file, config)
  })

  it('the receipt is told even where the erasure cannot be carried out now', async () => {
    const [database, backup] = [project.path('.defacto', 'defacto.db'), project.path('backup.db')]
    expect((await run('erase', 'scrub', '--yes')).code).toBe(0)
    cpSync(database, backup)
    expect(await json('erase', 'request', '--hint', `customer.email=${GRETE}`, '--yes')).toMatchObject({ code: 0 })
    for (const end of ['-wal', '-shm']) rmSync(`${database}${end}`, { force: true })
    cpSync(backup, database)
    const told = await json('erase', 'request', '--hint', `customer.email=${GRETE}`, '--yes')
    expect(told).toMatchObject({ ok: false, code: 6, error: { code: 'E_ERASURES_LOST' } })
    expect(told.data).toMatchObject({ status: 'approved', receipt: expect.stringMatching(/^[\w-]{43}$/) })
    const { lost } = (told.error as unknown as { details: { lost: { certificateId: string }[] } }).details
    const ids = lost.map(({ certificateId }) => certificateId)
    expect((await run('erase', 'accept', ...ids, '--reason', 'asked for again', '--yes')).code).toBe(0)
    expect((await run('erase', 'run')).out).toContain('1 request closed, 0 open')
  })
})
