/** One seed from beginning to end. */
import { reconcileCold } from '../../src/engine/cold/compare.ts'
import { flushCold } from '../../src/engine/cold/flush.ts'
import { verifyCold } from '../../src/engine/cold/maintain.ts'
import { pruneCold } from '../../src/engine/cold/prune.ts'
import { DefactoError, Fenced, LockHeld } from '../../src/errors.ts'
import * as work from './actors.ts'
import { NO_FAULTS } from './faults.ts'
import type { Random } from './random.ts'
import * as readers from './readers.ts'
import { Violation } from './scheduler.ts'
import { type Host, type Kit, type Settings, World } from './world.ts'

interface Role {
  readonly name: string
  readonly works: readonly work.Work[]
  /** Most steps between two pieces of work. */
  readonly rest: number
}

/** Which program does what. What one process does shares its memory. */
const PROGRAMS: Readonly<Record<string, readonly Role[]>> = {
  a: [
    { name: 'append', works: [work.appendSome], rest: 90 },
    { name: 'scan', works: [readers.scan], rest: 60 },
  ],
  b: [
    { name: 'append', works: [work.appendSome], rest: 90 },
    { name: 'flush', works: [work.flush], rest: 50 },
  ],
  c: [
    { name: 'flush', works: [work.flush], rest: 50 },
    { name: 'entities', works: [readers.mappedByEntity, readers.mappedFor, readers.mappedRange], rest: 120 },
  ],
  d: [
    { name: 'prune', works: [work.prune], rest: 10 },
    { name: 'change', works: [work.change, work.change, work.change, work.erase], rest: 20 },
  ],
  e: [
    { name: 'maintain', works: [work.maintain], rest: 160 },
    { name: 'replay', works: [readers.replay, readers.singles], rest: 160 },
  ],
}

export interface Outcome {
  /** What happened, step by step. */
  readonly trace: readonly string[]
  readonly steps: number
  readonly reads: number
  readonly commits: number
  readonly pruned: number
  readonly rows: number
  /** Pieces of work that were brought to their end, by name. */
  readonly done: ReadonlyMap<string, number>
  /** Failures that work met, by what they say, with how often. */
  readonly failures: ReadonlyMap<string, number>
}

export function settingsOf(random: Random): Settings {
  return {
    steps: 700,
    chances: {
      stay: random.of([0, 0, 0.5, 0.9]),
      crash: random.of([0, 0.002, 0.01]),
      stop: random.of([0, 0.002, 0.01]),
    },
    faults: {
      lost: random.of([0, 0, 0.01, 0.03]),
      lostAnswer: random.of([0, 0, 0.01, 0.03]),
      damaged: random.of([0, 0, 0, 0.05]),
      conflict: random.of([0, 0.02]),
      staleListings: 0,
    },
    style: { chunk: random.between(1, 6), snapshot: random.chance(0.5) },
    fileBytes: random.of([600, 2_000, 1_000_000]),
    oneMachine: random.chance(0.7),
    rot: random.chance(0.1),
    rows: random.between(15, 45),
  }
}

export interface Frame {
  /** Before anything has started. */
  begin(world: World): void
  /** When everything has stopped. */
  end(world: World): Promise<void>
}

/** Runs a seed. @throws Violation that names the seed */
export async function simulate(seed: number, kit: Kit, choose = settingsOf, frame = FRAME): Promise<Outcome> {
  const world = new World(seed, kit, choose)
  try {
    await prepare(world)
    frame.begin(world)
    await live(world)
    await frame.end(world)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw new Violation(`seed ${seed}: ${message}`, { cause: error })
  } finally {
    if (process.env['TRACE'] !== undefined) console.log(world.scheduler.trace.join('\n'))
  }
  const { scheduler, truth, table, database } = world
  return {
    trace: scheduler.trace,
    steps: scheduler.step,
    reads: world.reads,
    commits: table.version + 1,
    pruned: database.committed.tier?.pruned ?? 0,
    rows: truth.head,
    done: world.done,
    failures: world.failures,
  }
}

/** A version that everything is interpreted by. */
async function prepare(world: World): Promise<void> {
  const { store, engine } = await world.boot('setup')
  await engine.unit(work.VERSION, async (unit) => {
    const hashes = { definitionHash: 'd', sourceHash: 's', identityHash: 'i' }
    const definitions = JSON.stringify({ entities: {}, sources: {}, schemas: {}, pipelines: {} })
    await store.versions.insert(unit, { version: work.VERSION, definitions, createdAt: '', ...hashes })
    await store.versions.activate(unit)
    await store.builds.put(unit, work.stateAt(0))
  })
}

async function live(world: World): Promise<void> {
  const { scheduler, requests, settings } = world
  let isOver = false
  const starts = (name: string): void => {
    void world.boot(name).then((host) => {
      if (isOver) return
      for (const role of PROGRAMS[name]!) {
        scheduler.start(host.process, `${host.process.name} ${role.name}`, () => forEver(world, host, role))
      }
    })
  }
  const disconnect = scheduler.onCrash
  scheduler.onCrash = (dead) => {
    disconnect(dead)
    scheduler.later(world.random.between(1, 60), () => starts(dead.name.split('.')[0]!))
  }
  for (const name of Object.keys(PROGRAMS)) starts(name)
  requests.rates = settings.faults
  if (settings.rot) world.rot.begin()
  await scheduler.run(settings.steps, settings.chances)
  isOver = true
  scheduler.onCrash = disconnect
  requests.rates = NO_FAULTS
  await scheduler.cut()
  world.rot.restore()
}

async function forEver(world: World, host: Host, { works, rest }: Role): Promise<void> {
  await attempt(world, () => reconcileCold(host.engine))
  while (host.process.alive) {
    await world.scheduler.rest(host.process, world.random.between(0, rest))
    const one = world.random.of(works)
    await attempt(world, async () => {
      await one(world, host)
      world.done.set(one.name, (world.done.get(one.name) ?? 0) + 1)
    })
  }
}

/** Work that others are doing, or that the network keeps from being done, is tried again another time. */
async function attempt(world: World, one: () => Promise<void>): Promise<void> {
  try {
    await one()
  } catch (error) {
    if (!(error instanceof DefactoError)) throw error
    world.scheduler.trace.push(`  ${error.name}: ${error.message}`)
    if (!isExpected(error, world.settings)) throw error
    const kind = `${error.recoverable ? '' : 'final: '}${error.name} ${error.message.replaceAll(/\d+/g, '#')}`
    world.failures.set(kind, (world.failures.get(kind) ?? 0) + 1)
  }
}

/** Every failure that says it cannot be helped by trying again has a reason in this world. */
function isExpected(error: DefactoError, { faults, rot }: Settings): boolean {
  if (error instanceof LockHeld || error instanceof Fenced || error.recoverable) return true
  const damaged = ['read', 'confirm'].includes(String(error.details['operation']))
  return damaged && (faults.damaged > 0 || rot)
}

/** After everything has stopped and nothing fails any more, the ledger is whole and its tiers can be brought in order. */
export async function finish(world: World): Promise<void> {
  const { scheduler, truth, database, bucket } = world
  world.wait()
  const host = await world.boot('finish')
  const { store, engine, archive } = host
  scheduler.start(host.process, 'finish', async () => {
    await reconcileCold(engine)
    await work.build(store, engine)
    const begin = scheduler.step
    await flushCold(engine)
    await pruneCold(engine, { before: truth.head })
    const verified = await verifyCold(engine)
    if (verified.problems.length > 0) scheduler.fail(`verify: ${JSON.stringify(verified.problems)}`)
    await store.ledger.settle()
    const { pending } = await archive.purge({ orphanAgeMs: 0 })
    if (pending.length > 0) scheduler.fail(`purge leaves ${JSON.stringify(pending)}`)
    work.assertVanished(world, begin)
    const kept = [...bucket.objects.keys()].filter((path) => path.startsWith('data/') && !world.table.has(path))
    if (kept.length > 0) scheduler.fail(`purge leaves ${kept.join(', ')}`)
    const { rows, tier } = database.committed
    if (rows.size > 0 || tier?.flushed !== truth.head) {
      scheduler.fail(`of ${truth.head} rows ${tier?.flushed} are archived and ${rows.size} left in the database`)
    }
    for (const read of [readers.scan, readers.replay, readers.mappedByEntity, readers.mappedFor])
      await read(world, host)
  })
  await scheduler.run(100_000, { crash: 0, stop: 0, stay: 0 })
}

const FRAME: Frame = { begin() {}, end: finish }
