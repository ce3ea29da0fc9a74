/**
 * Data files that turn bad where they are stored, and are restored from a backup later. Only such whose rows the database
 * still has, and while nobody is about to delete them there: nothing could help the others.
 */
import type { World } from './world.ts'

const LASTS = 120

export class Rot {
  /** Damaged now, with what they were. */
  readonly files = new Map<string, Uint8Array>()
  readonly #world: World
  /** How many have turned bad so far. */
  spoiled = 0
  /** Prunes under way. */
  pruning = 0

  constructor(world: World) {
    this.#world = world
  }

  /** Lets a file turn bad now and then. */
  begin(): void {
    const { scheduler, random } = this.#world
    scheduler.later(random.between(20, 80), () => {
      this.#spoil()
      this.begin()
    })
  }

  restore(): void {
    const { objects } = this.#world.bucket
    for (const [path, body] of this.files) {
      const stored = objects.get(path)
      if (stored !== undefined) objects.set(path, { ...stored, body })
    }
    this.files.clear()
  }

  #spoil(): void {
    const { database, table, bucket, random, scheduler } = this.#world
    const pruned = database.committed.tier?.pruned ?? 0
    const healthy = table.files().filter(({ rows }) => rows?.every(({ sequence }) => sequence > pruned) === true)
    if (this.pruning > 0 || this.files.size > 0 || healthy.length === 0) return
    const { path } = random.of(healthy)
    const stored = bucket.objects.get(path)!
    this.files.set(path, stored.body)
    this.spoiled += 1
    bucket.objects.set(path, { ...stored, body: bucket.spoil(stored.body, random) })
    scheduler.trace.push(`${scheduler.step} ${path} turns bad`)
    scheduler.later(random.between(20, LASTS), () => this.restore())
  }
}
