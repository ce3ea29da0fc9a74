/** Stores that people register for erasures, and sinks of their own (spec 10 §8). */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as at } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { erasureTargets, registerErasureTarget } from '../../src/erasure-targets.ts'
import { ConfigError } from '../../src/errors.ts'
import { Defacto } from '../../src/index.ts'
import type { ErasureTarget } from '../../src/ports/erasure.ts'
import { frozenSubject } from '../../src/testing/contract/run-log-erase.ts'
import { join, PEOPLE, type People } from '../support/export-space.ts'

const person = frozenSubject(['m-1'], [])
const CRM = {
  plan: async () => 1,
  erase: async () => 1,
  verify: async () => ({ remaining: 0, method: 'scan' as const }),
}

let folder: string
let space: People | null = null
beforeEach(() => {
  folder = mkdtempSync(at(tmpdir(), 'targets-'))
})
afterEach(async () => {
  await space?.close()
  space = null
  rmSync(folder, { recursive: true, force: true })
})

function registered(name: string): ErasureTarget {
  const found = erasureTargets({ store: { exports: null, privacy: null } as never, deadLetter: null })
  return found.find((target) => target.name === name) as ErasureTarget
}

async function opened(options: object = {}): Promise<People> {
  const given = { database: at(folder, 'space.db'), logLevel: 'ERROR', version: 'v1', ...options } as never
  space = (await Defacto.fromConfig(PEOPLE, given)) as unknown as People
  await join(space, 0, 3)
  return space
}

it('names are checked, and none of our own can be taken', () => {
  for (const name of ['', 'Großes', 'ledger', 'exports', 'a b', 'x'.repeat(49)]) {
    expect(() => registerErasureTarget({ name, ...CRM })).toThrow(ConfigError)
  }
  expect(() => registerErasureTarget({ name: 'half', plan: CRM.plan, erase: CRM.erase } as never)).toThrow(/verify/)
})

it('what is no answer is a store that is asked again, and quotes nothing', async () => {
  const wrong = [
    { plan: async () => 'many', erase: async () => -1, verify: async () => ({ remaining: 0, method: 'trust me' }) },
    {
      plan: async () => Number.NaN,
      erase: async () => undefined,
      verify: async () => ({ remaining: '0', method: 'scan' }),
    },
    {
      plan: () => {
        throw new Error('ada@example.com')
      },
      erase: async () => {
        throw new Error('ada@example.com')
      },
      verify: async () => null,
    },
  ]
  for (const functions of wrong) {
    registerErasureTarget({ name: 'crm', ...functions } as never)
    const target = registered('crm')
    for (const call of [() => target.plan(person), () => target.erase([person], {}), () => target.verify(person)]) {
      const failure = await call().then(
        () => null,
        (error: Error) => error,
      )
      expect(failure).toMatchObject({ name: 'StorageError', recoverable: true })
      expect(failure?.message).not.toContain('ada')
    }
  }
})

it('an erasure asks every store of people, waits for one that does not answer, and its certificate names it', async () => {
  const held = new Set(['p1@x.org'])
  let answers = false
  registerErasureTarget({
    name: 'crm',
    plan: async () => held.size,
    erase: async (subject) => {
      if (!answers) throw new Error('closed on sundays')
      const mine = [...held].filter((mail) => subject.mentions({ mail }))
      for (const mail of mine) held.delete(mail)
      return mine.length
    },
    verify: async (subject) => ({
      remaining: [...held].filter((mail) => subject.mentions(mail)).length,
      method: 'scan' as const,
    }),
  })
  const engine = await opened({ deadLetter: { send: async () => {}, close: async () => {} } })
  const id = (await engine.identity.lookup('p1@x.org')) as string
  const first = await engine.erase(id)
  expect(first).toMatchObject({ complete: false, pending: ['crm'] })
  answers = true
  await engine.erasure.run([first.requestId as string])
  const certificate = await engine.erasure.certificate(first.requestId as string)
  expect(certificate.stores.find(({ store }) => store === 'crm')).toMatchObject({
    action: 'deleted',
    items: 1,
    verified: { method: 'scan', remaining: 0 },
  })
  expect(certificate.outstanding.map(({ store }) => store)).toEqual(
    expect.arrayContaining(['dead_letter_sink', 'database_files']),
  )
  expect(held.size).toBe(0)
})

it('the export of a person goes with it, and a scrub before an erasure does not count for it', async () => {
  registerErasureTarget({ name: 'crm', ...CRM, erase: async () => 0 })
  const engine = await opened()
  const id = (await engine.identity.lookup('p1@x.org')) as string
  await (await engine.subject(id)).export(at(folder, 'out'))
  await engine.erasure.scrub()
  const { certificateId, requestId, complete } = await engine.erase(id, { purgeExports: true })
  expect(complete).toBe(true)
  expect(certificateId).not.toBe(null)
  const { stores, outstanding } = await engine.erasure.certificate(requestId as string)
  expect(stores.find(({ store }) => store === 'exports')).toMatchObject({ action: 'purged', items: 5 })
  expect(outstanding.map(({ store }) => store)).toEqual(['database_files'])
  await expect(engine.subject(id)).rejects.toMatchObject({ name: 'NotFoundError' })
})
