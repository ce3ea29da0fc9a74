/** Requests carried out by runs in this process (spec 10 §3.4, §3.6, §10): one by one, as a queue, and what is too old. */
import { generateKeyPairSync } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { Defacto, type DefactoOptions } from '../../src/index.ts'
import type { Control, Orchestration } from '../../src/orchestration/contract.ts'
import { type LocalRunner, localRunner } from '../../src/orchestration/local.ts'
import { Erasures, Holds } from '../../src/orchestrator/erasure.ts'
import type { RunRow } from '../../src/ports/runs.ts'
import { type Place, postgresPlace, sqlitePlace } from '../support/orchestration.ts'
import { joined, people, used } from '../support/people.ts'
import { runSpace } from '../support/run-space.ts'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

interface World {
  readonly place: Place
  readonly defacto: Defacto
  readonly context: Orchestration
  readonly control: Control
  readonly runner: LocalRunner
  readonly erasure: Erasures
  readonly holds: Holds
  /** Submits, and resolves when the run has ended or waits. */
  run(request: Parameters<Control['submit']>[0]): Promise<RunRow>
  rowOf(runId: string): Promise<RunRow>
}

const quiet = {
  debug() {},
  info() {},
  warn() {},
  error: (message: string, fields: unknown) => console.log(message, fields),
}
const { privateKey } = generateKeyPairSync('ed25519', {
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
})
const SPACE = { batchSize: 50, logger: quiet, compliance: { signingKey: privateKey } }

async function open(
  place: Place,
  pipelines: Readonly<Record<string, object>>,
  options: DefactoOptions = {},
): Promise<World> {
  const defacto = await Defacto.fromConfig(people({ properties: { note: { type: 'string' } } }), {
    ...SPACE,
    ...place.options,
    coldLedger: join(place.folder, 'cold'),
    ...options,
  })
  const { context, control } = runSpace(defacto, { folder: place.folder, pipelines, engine: 'local' })
  const runner = localRunner(context, control)
  closing.push(async () => {
    await runner.close()
    await defacto.close()
  })
  const { erasure: api, holds: holdApi } = defacto
  const erasure = new Erasures({ context, control, runner, erasure: api })
  const rowOf = async (runId: string): Promise<RunRow> => (await context.operations.log.runs.get(runId)) as RunRow
  return {
    place,
    defacto,
    context,
    control,
    runner,
    erasure,
    holds: new Holds(holdApi, erasure),
    rowOf,
    async run(request) {
      const { run } = await control.submit(request)
      await runner.start(control.stepRef(run))
      await runner.idle()
      return rowOf(run.runId)
    },
  }
}

const mail = (n: number): string => `m${n}@example.org`

/** People with two events each, built, archived, and out of the database. */
async function populate({ defacto }: World, count: number): Promise<void> {
  const records = Array.from({ length: count }, (_, n) => [
    joined(mail(n), 1 + (n % 9)),
    used(mail(n), 10 + (n % 5), n),
  ])
  await defacto.ingest('web', records.flat())
  await defacto.build()
  await defacto.ledger.tiers.flush()
  await defacto.ledger.tiers.prune()
}

/** Version of the archive: each rewrite is one. Old ones are removed. */
function version({ place }: World): number {
  const names = readdirSync(join(place.folder, 'cold', '_delta_log'))
  return Math.max(...names.map((name) => Number.parseInt(name, 10)).filter(Number.isFinite))
}
const idOf = ({ defacto }: World, n: number): Promise<string | undefined> => defacto.identity.lookup(mail(n))

const QUEUE = {
  nightly: {
    steps: [{ erase_queue: { max: 10 } }, { check: { when: 'always' } }],
    checks: { closed: { kind: 'erasures_closed', older_than: '0s' } },
  },
}
const PLACES = [
  ['SQLite', sqlitePlace],
  ['Postgres', postgresPlace],
] as const

describe.each(PLACES)('on %s', (_, makePlace) => {
  async function world(pipelines: Readonly<Record<string, object>>, options: DefactoOptions = {}): Promise<World> {
    const place = await makePlace()
    closing.push(() => place.drop())
    return open(place, pipelines, options)
  }

  test('a request is carried out by a run, which tells what it did and no more', async () => {
    const space = await world({})
    await populate(space, 20)
    const { requestId, receipt, run } = await space.erasure.request({ hint: `person.mail=${mail(3)}`, kind: 'erase' })
    await space.runner.idle()
    const row = await space.rowOf(run?.runId ?? '')
    expect(row).toMatchObject({
      status: 'succeeded',
      op: 'erase',
      error: null,
      stats: { requests_closed: 1, requests_pending: 0, entities_erased: 1, events_deleted: 2 },
    })
    expect(JSON.stringify(row)).not.toContain(mail(3))
    expect(receipt).toEqual(expect.any(String))
    expect(await idOf(space, 3)).toBeUndefined()
    expect((await space.erasure.status(requestId)).status).toBe('closed')
    expect(await space.erasure.certificate(requestId)).toMatchObject({ request_id: requestId, kind: 'erase' })
  })

  test('many are carried out as one: an archived file is written anew once, however many of them touch it', async () => {
    const space = await world(QUEUE)
    await populate(space, 40)
    const before = version(space)
    const requests = []
    for (const n of [1, 2, 3, 5, 8, 13]) {
      requests.push(await space.erasure.request({ hint: `person.mail=${mail(n)}`, kind: 'erase' }, { queue: true }))
    }
    expect(requests.every(({ run }) => run === null)).toBe(true)
    const run = await space.run({ op: 'pipeline', pipeline: 'nightly' })
    expect(run).toMatchObject({
      status: 'succeeded',
      stats: { requests_closed: 6, requests_pending: 0, events_deleted: 12, checks_failed: 0 },
    })
    const rewrites = version(space) - before
    for (const { requestId } of requests) expect((await space.erasure.status(requestId)).status).toBe('closed')
    for (const n of [1, 2, 3, 5, 8, 13]) expect(await idOf(space, n)).toBeUndefined()
    expect(await space.defacto.table('person').rows()).toHaveLength(34)
    // As many as one request by itself needs.
    const alone = version(space)
    await space.erasure.request({ hint: `person.mail=${mail(21)}`, kind: 'erase' })
    await space.runner.idle()
    expect(rewrites).toBe(version(space) - alone)
    expect(rewrites).toBeGreaterThan(0)
    expect((await space.defacto.build({ full: true })).entitiesCreated).toBe(33)
  })

  test('the queue leaves what a hold keeps, what is over its measure, and what others work on', async () => {
    // Every look at the clock is later than the one before: requests have an order.
    let now = Date.parse('2026-01-01T00:00:00Z')
    const clock = () => {
      now += 2
      return new Date(now)
    }
    const space = await world({ nightly: { steps: [{ erase_queue: { max: 2 } }] } }, { clock })
    await populate(space, 10)
    const hold = await space.holds.add({ entityId: (await idOf(space, 1)) ?? '', reason: 'a dispute' })
    const ask = (n: number) => space.erasure.request({ hint: `person.mail=${mail(n)}`, kind: 'erase' }, { queue: true })
    const asked = [await ask(1), await ask(2), await ask(3)]
    expect(await space.run({ op: 'pipeline', pipeline: 'nightly' })).toMatchObject({
      status: 'succeeded',
      stats: { requests_closed: 1, requests_pending: 1, requests_left: 1 },
    })
    expect(await space.erasure.status(asked[0]?.requestId ?? '')).toMatchObject({
      status: 'held',
      waitingFor: [`hold:${hold.holdId}`],
    })
    const freed = await space.holds.release(hold.holdId)
    expect(freed.requests).toEqual([asked[0]?.requestId])
    expect(await space.run({ op: 'pipeline', pipeline: 'nightly' })).toMatchObject({ stats: { requests_closed: 2 } })
    expect(await space.run({ op: 'pipeline', pipeline: 'nightly' })).toMatchObject({ stats: { requests_closed: 0 } })
  })

  test('a request that waits keeps no process: the run stays, and goes on when somebody has decided', async () => {
    const place = await makePlace()
    closing.push(() => place.drop())
    const options = { compliance: { signingKey: privateKey, approval: 'required' } } as const
    const first = await open(place, {}, options)
    await populate(first, 5)
    const input = { hint: `person.mail=${mail(2)}`, kind: 'erase', requestedBy: 'ada' } as const
    const { requestId, run } = await first.erasure.request(input)
    await first.runner.idle()
    const runId = run?.runId ?? ''
    expect(await first.rowOf(runId)).toMatchObject({ status: 'waiting', waitingFor: 'approval' })
    // Asked for again, it is the same request and the same run.
    const again = await first.erasure.request(input)
    expect([again.requestId, again.receipt, again.run?.runId]).toEqual([requestId, null, runId])
    await first.runner.idle()
    await first.runner.close()
    await first.defacto.close()

    const second = await open(place, {}, options)
    // Nobody has decided: it is left alone.
    expect(await second.control.sweep()).toEqual([])
    await expect(second.erasure.approve(requestId, { by: 'ada' })).rejects.toMatchObject({ code: 'E_APPROVAL' })
    await second.erasure.approve(requestId, { by: 'bob' })
    await second.runner.idle()
    expect(await second.rowOf(runId)).toMatchObject({ status: 'succeeded', stats: { requests_closed: 1 } })
    expect(await idOf(second, 2)).toBeUndefined()
  })

  test('one that is cancelled before its pivot was never there; afterwards it cannot be', async () => {
    const space = await world({}, { compliance: { signingKey: privateKey, approval: 'required' } })
    await populate(space, 5)
    const ask = (n: number) =>
      space.erasure.request({ hint: `person.mail=${mail(n)}`, kind: 'erase', requestedBy: 'ada' })
    const { requestId, run } = await ask(1)
    await space.runner.idle()
    await space.control.requestCancel(run?.runId ?? '', 'a mistake')
    await space.erasure.woken([requestId])
    await space.runner.idle()
    expect(await space.rowOf(run?.runId ?? '')).toMatchObject({ status: 'cancelled' })
    expect(await space.erasure.status(requestId)).toMatchObject({ status: 'refused' })
    expect(await idOf(space, 1)).toEqual(expect.any(String))
    const other = await ask(2)
    await space.erasure.approve(other.requestId, { by: 'bob' })
    await space.runner.idle()
    const late = await space.run({ op: 'erase', input: { requestId: other.requestId } })
    expect(late.status).toBe('succeeded')
    expect(await idOf(space, 2)).toBeUndefined()
  })

  test('entities whose time is over expire together, with one certificate; whom a hold keeps stays', async () => {
    const space = await world({
      nightly: {
        steps: ['expire'],
        as_of: '2024-03-01T00:00:00Z',
        retention: { cold: '48d', only_states: ['on', 'idle'] },
      },
    })
    await populate(space, 20)
    const before = await space.defacto.table('person').rows()
    const limit = Date.parse('2024-03-01T00:00:00Z') - 48 * 86_400_000
    const late = before.filter((row) => new Date(String(row['last_event_time'])).getTime() < limit)
    expect(late.length).toBeGreaterThan(2)
    expect(late.length).toBeLessThan(20)
    const kept = String(late[0]?.['person_id'])
    await space.holds.add({ entityId: kept, reason: 'a dispute' })
    expect(await space.run({ op: 'pipeline', pipeline: 'nightly' })).toMatchObject({
      status: 'succeeded',
      stats: { entities_erased: late.length - 1, entities_held: 1, requests_closed: 1 },
    })
    const after = await space.defacto.table('person').rows()
    const ids = after.map((row) => String(row['person_id']))
    expect(ids).toHaveLength(20 - (late.length - 1))
    expect(ids).toContain(kept)
    expect(await space.erasure.certificates()).toHaveLength(1)
    expect(await space.run({ op: 'pipeline', pipeline: 'nightly' })).toMatchObject({
      stats: { entities_erased: 0, entities_held: 1, requests_closed: 0 },
    })
    expect(await space.erasure.certificates()).toHaveLength(1)
  })
})
