/** A database that is lost and comes back as an older backup, while the archive has gone on (spec 07 §5.5). */
import { restoreCold } from '../../src/engine/cold/restore.ts'
import { tombstone } from '../../src/ports/archive.ts'
import type { EntityMapping } from '../../src/ports/store.ts'
import * as work from './actors.ts'
import type { HotState } from './hot-state.ts'
import { type Frame, finish } from './run.ts'
import { entitiesOf } from './truth.ts'
import type { World } from './world.ts'

/** Of dying at an input or output while the archive is taken over. */
const CRASH = 0.01

const backups = new WeakMap<World, HotState>()

/**
 * Rows changed after the backup would differ from it for good, so there are none until it is back. Rows may be erased: the
 * database forgets what the archive has forgotten.
 * @param changes whether there are some before it
 */
export const restored = (changes: boolean): Frame => ({
  begin(world) {
    world.changes = changes
    const { scheduler, random, settings, database } = world
    const backUp = (): void => {
      world.changes = false
      if (world.changing > 0) scheduler.later(1, backUp)
      else backups.set(world, database.committed)
    }
    scheduler.later(random.between(1, settings.steps), backUp)
  },
  async end(world) {
    const { database, truth, table, bucket, scheduler } = world
    const { onCommit } = database
    const { onChange } = bucket
    // Until both are together again, only what the table says is kept up with.
    database.onCommit = () => {}
    bucket.onChange = (path) => void table.take(path)
    database.committed = backups.get(world) ?? database.committed
    truth.lose(Math.max(database.committed.head, table.boundary))
    forgetAsFarAsKnown(world)
    while (!(await takesOver(world))) {}
    database.onCommit = onCommit
    bucket.onChange = onChange
    world.check()
    if (truth.head !== database.committed.head) scheduler.fail(`the head is ${database.committed.head}`)
    world.changes = true
    await goOn(world)
    await finish(world)
  },
})

/** What neither the backup nor the archive knew to be erased is not. */
function forgetAsFarAsKnown({ truth, table, database }: World): void {
  const { rows, ids } = database.committed
  const archived = new Map(table.files().flatMap((file) => (file.rows ?? []).map((row) => [row.sequence, row])))
  for (let sequence = 1; sequence <= truth.head; sequence += 1) {
    if (truth.row(sequence)?.eventType !== null) continue
    const [cold, id] = [archived.get(sequence), ids.get(sequence)]
    const digest = cold?.eventType === null ? cold.eventId : null
    if (id?.source === null) truth.set(tombstone(sequence, id.eventId ?? digest))
    else truth.set(cold?.eventType === null ? tombstone(sequence, digest) : (rows.get(sequence) ?? cold!))
  }
}

/** False if the process died meanwhile. */
async function takesOver(world: World): Promise<boolean> {
  const { scheduler } = world
  world.wait()
  const { process, engine } = await world.boot('restore')
  scheduler.start(process, 'restore', async () => {
    await restoreCold(engine)
  })
  await scheduler.run(100_000, { crash: CRASH, stop: 0, stay: 0 })
  return process.alive
}

/** The ledger grows, changes and moves as before. */
async function goOn(world: World): Promise<void> {
  world.wait()
  const host = await world.boot('after')
  world.scheduler.start(host.process, 'after', async () => {
    // As the next build does.
    await host.engine.unit('', (unit) => host.store.mapping.write(unit, membersUpTo(world.truth.head)))
    for (const one of [work.appendSome, work.flush, work.change, work.erase, work.change, work.prune, work.change]) {
      await one(world, host)
    }
  })
  await world.scheduler.run(100_000, { crash: 0, stop: 0, stay: 0 })
}

function membersUpTo(head: number): EntityMapping[] {
  return Array.from({ length: head }, (_, index) => index + 1).flatMap((sequence) =>
    entitiesOf(sequence).map((entityId) => ({ sequence, entityId, entityType: 'thing' })),
  )
}
