/** One person's data from every tier, as a folder to hand over, which an erasure knows of (spec 10 §10, 05 §4.5). */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as at } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Defacto } from '../../src/index.ts'
import { Project } from '../support/cli.ts'
import { join, PEOPLE, type People } from '../support/export-space.ts'
import { describePostgres, freshDatabase } from '../support/postgres.ts'

const MAIL = 'p7@x.org'

interface Whole {
  readonly entities: { id: string; type: string }[]
  readonly identity: { entity_id: string; hint_type: string; value: string }[]
  readonly merges: { from: string; into: string }[]
  readonly history: { person_id: string; email: string }[]
  readonly relationships: { source_id: string }[]
  readonly timeline: { effects: string[] }[]
  readonly events: { sequence: number; raw: { email: string; kind: string }; data: object; timestamp: string }[]
}

const PLACES = [
  {
    name: 'SQLite',
    suite: describe,
    open: async (folder: string) => ({ url: at(folder, 'space.db'), drop: async () => {} }),
  },
  { name: 'Postgres', suite: describePostgres, open: freshDatabase },
]

for (const { name: backend, suite, open } of PLACES) {
  suite(`the export of a person on ${backend}`, () => {
    let folder: string
    let database: { url: string; drop(): Promise<void> }
    let space: People
    beforeEach(async () => {
      folder = mkdtempSync(at(tmpdir(), 'subject-'))
      database = await open(folder)
      space = (await Defacto.fromConfig(PEOPLE, {
        database: database.url,
        coldLedger: at(folder, 'cold'),
        logLevel: 'ERROR',
        version: 'v1',
      })) as unknown as People
      await join(space, 0, 20)
    })
    afterEach(async () => {
      await space.close()
      await database.drop()
      rmSync(folder, { recursive: true, force: true })
    })

    it('has what database and archive hold of it, and of everything merged into it', async () => {
      await space.ledger.tiers.flush()
      await space.ledger.tiers.prune()
      const mails = [MAIL, 'late@x.org', 'third@x.org']
      for (const email of mails.slice(1)) {
        await space.ingest('app', [{ kind: 'joined', at: 1_704_068_000, email, domain: 'x.org' }], { process: true })
      }
      const [first, second, third] = await Promise.all(mails.map((mail) => space.identity.lookup(mail)))
      await space.merge(third as string, second as string, { reason: 'the same' })
      await space.merge(second as string, first as string, { reason: 'the same' })
      const subject = await space.subject({ hint: 'person.email=third@x.org' })
      expect(subject.entityId).toBe(first)
      expect(new Set(subject.entities.map(({ id }) => id))).toEqual(new Set([first, second, third]))
      const record = await subject.export(at(folder, 'out'))
      const whole = JSON.parse(readFileSync(at(folder, 'out/subject.json'), 'utf8')) as Whole
      expect(whole.entities[0]).toEqual({ id: first, type: 'person' })
      expect(new Set(whole.identity.map(({ value }) => value))).toEqual(new Set(mails))
      expect(whole.merges.map(({ from, into }) => [from, into])).toContainEqual([third, second])
      const joined = whole.events.filter(({ raw }) => raw.kind === 'joined')
      expect(new Set(joined.map(({ raw }) => raw.email))).toEqual(new Set(mails))
      expect(whole.history.map(({ person_id }) => person_id).every((id) => id === first)).toBe(true)
      expect(whole.history.length).toBeGreaterThan(0)
      expect(whole.relationships.length).toBeGreaterThan(0)
      expect(whole.timeline.some(({ effects }) => effects.includes('Entity created'))).toBe(true)
      const lines = (name: string): string[] =>
        readFileSync(at(folder, 'out', name), 'utf8')
          .trimEnd()
          .split('\r\n')
      expect(lines('events.csv')).toHaveLength(whole.events.length + 1)
      expect(lines('history.csv')).toHaveLength(whole.history.length + 1)
      expect(lines('identity.csv')).toHaveLength(4)
      expect(lines('relationships.csv')).toHaveLength(whole.relationships.length + 1)
      expect(readFileSync(at(folder, 'out/events.csv'), 'utf8')).not.toContain('p8@x.org')
      expect(record).toMatchObject({ format: 'subject', entityTypes: ['person'], recorded: true })
      expect((await space.exports()).map(({ exportId, rows }) => [exportId, rows])).toEqual([
        [record.exportId, record.rows],
      ])
    })

    it('is replaced whole by the next one in the folder, other files stay', async () => {
      const out = at(folder, 'out')
      await (await space.subject({ hint: `person.email=${MAIL}` })).export(out)
      writeFileSync(at(out, 'notes.txt'), 'mine')
      await (await space.subject({ hint: 'company.domain=x.org' })).export(out)
      expect(readFileSync(at(out, 'identity.csv'), 'utf8')).not.toContain(MAIL)
      expect(readdirSync(out).sort()).toEqual([
        'events.csv',
        'history.csv',
        'identity.csv',
        'notes.txt',
        'relationships.csv',
        'subject.json',
      ])
      expect((await space.exports()).map(({ entityTypes }) => entityTypes)).toEqual([['company']])
    })

    it('of nobody is an error that says so', async () => {
      await expect(space.subject('nobody')).rejects.toMatchObject({ name: 'NotFoundError' })
      await expect(space.subject({ hint: 'person.email=nobody@x.org' })).rejects.toMatchObject({
        name: 'NotFoundError',
      })
    })
  })
}

describe('defacto subject export', () => {
  it('writes the folder and says what it wrote', async () => {
    const project = new Project()
    try {
      await project.run(['init', '.', '--template', 'quickstart'])
      await project.run(['ingest', 'app', 'sample/app.ndjson', '--process'])
      const args = ['subject', 'export', '--hint', 'customer.email=alice@example.com', '--to', 'alice']
      const { ok, data } = await project.json(args)
      expect(ok).toBe(true)
      expect(data).toMatchObject({ entity_type: 'customer', format: 'subject', path: project.path('alice') })
      const events = readFileSync(project.path('alice', 'events.csv'), 'utf8')
      expect(events.trimEnd().split('\r\n')).toHaveLength(3)
      expect(events).not.toContain('bob@example.com')
      const said = await project.run([...args.slice(0, -1), 'again'])
      expect(said.out).toMatch(/wrote \d+ rows about [0-9a-f-]{36} to /)
      expect((await project.json(['subject', 'export', '--entity', 'x'])).error?.message).toContain('--to DIR')
      expect((await project.json([...args.slice(0, 3), 'customer.email=x@y.z', '--to', 'x'])).code).toBe(7)
      expect((await project.json([...args.slice(0, -1), '/proc/none/x'])).code).not.toBe(0)
    } finally {
      rmSync(project.root, { recursive: true, force: true })
    }
  })
})
