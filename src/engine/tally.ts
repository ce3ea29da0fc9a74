/** Counters of one build, kept across chunks and, for full builds, across processes (spec 04 §4.9). */
import type { Instant } from '../core/instant.ts'
import type { FoldFailure } from '../core/interpret.ts'
import type { BuildMode, BuildProgress, BuildResult, EventFailure } from '../results.ts'

export type ProgressListener = (progress: BuildProgress) => void

interface Counters {
  eventsUnresolved: number
  effectsProduced: number
  mergesDetected: number
  lateArrivals: number
  eventsProcessed: number
  eventsFailed: number
}

export class BuildTally implements Counters {
  eventsUnresolved = 0
  effectsProduced = 0
  mergesDetected = 0
  lateArrivals = 0
  eventsProcessed = 0
  eventsFailed = 0
  entitiesCreated = 0
  readonly failures: EventFailure[] = []
  readonly timing: Record<string, number> = {}
  /** How the build began; a build that handed its slot over begins more than once. */
  begun: { readonly mode: BuildMode; readonly cursor: number; readonly asOf: Instant | null } | null = null
  /** Entities rebuilt because of merges and erasures found elsewhere, and losers whose rows were marked. */
  readonly rebuilt = new Set<string>()
  readonly absorbed = new Set<string>()
  /** What of the build is behind it and is not to be done again. */
  readonly behind = { reset: false, shadow: false, swap: false }
  /** Events before it are late; null: none are. Undefined as long as nobody asked. */
  lateBefore: Instant | null | undefined
  readonly #created = new Set<string>()
  readonly #reported = new Set<string>()
  /** Distinct entities that existed before and changed. */
  readonly #updated = new Set<string>()
  #updatedBefore = 0
  #seen = new Uint8Array(1024)
  readonly #started = performance.now()
  readonly #listener: ProgressListener | undefined

  constructor(listener?: ProgressListener) {
    this.#listener = listener
  }

  /** Counts distinct events; one bit each, because a full build meets an event once for every entity it concerns. */
  countEvents(events: readonly { readonly sequence: number }[]): void {
    for (const { sequence } of events) {
      const byte = sequence >>> 3
      if (byte >= this.#seen.length) {
        const grown = new Uint8Array(Math.max(byte + 1, this.#seen.length * 2))
        grown.set(this.#seen)
        this.#seen = grown
      }
      const bit = 1 << (sequence & 7)
      if (((this.#seen[byte] ?? 0) & bit) !== 0) continue
      this.#seen[byte] = (this.#seen[byte] ?? 0) | bit
      this.eventsProcessed += 1
    }
  }

  created(entityId: string): void {
    this.#created.add(entityId)
    this.entitiesCreated += 1
  }

  updated(entityId: string): void {
    if (!this.#created.has(entityId)) this.#updated.add(entityId)
  }

  /** Whether this failure was not met before in this build: an entity may be replayed more than once. */
  isNew(entityId: string, { sequence, at, error }: FoldFailure): boolean {
    const key = `${entityId} ${sequence} ${at} ${error}`
    if (this.#reported.has(key)) return false
    this.#reported.add(key)
    return true
  }

  progress(phase: BuildProgress['phase'], done: number, total: number): void {
    this.#listener?.({ phase, done, total })
  }

  /** Adds the time `work` takes to `stage`. */
  async timed<T>(stage: string, work: () => Promise<T>): Promise<T> {
    const started = performance.now()
    try {
      return await work()
    } finally {
      this.timing[stage] = (this.timing[stage] ?? 0) + performance.now() - started
    }
  }

  /** Returns a way back to the counters as they are now: a unit of work may run again. */
  mark(): () => void {
    const { effectsProduced, entitiesCreated } = this
    return () => Object.assign(this, { effectsProduced, entitiesCreated })
  }

  /** What a continued full build needs to report whole figures. */
  save(): string {
    return JSON.stringify({
      eventsUnresolved: this.eventsUnresolved,
      effectsProduced: this.effectsProduced,
      mergesDetected: this.mergesDetected,
      lateArrivals: this.lateArrivals,
      eventsProcessed: this.eventsProcessed,
      eventsFailed: this.eventsFailed,
      entitiesCreated: this.entitiesCreated,
      entitiesUpdated: this.#updatedBefore + this.#updated.size,
    })
  }

  restore(text: string): void {
    const saved = JSON.parse(text) as Counters & { entitiesCreated: number; entitiesUpdated: number }
    const { entitiesUpdated, ...counters } = saved
    for (const [name, value] of Object.entries(counters)) {
      this[name as keyof Counters] += value
    }
    this.#updatedBefore += entitiesUpdated
  }

  result(mode: BuildMode): BuildResult {
    const durationMs = performance.now() - this.#started
    const staged = Object.values(this.timing).reduce((sum, ms) => sum + ms, 0)
    return {
      mode,
      eventsProcessed: this.eventsProcessed,
      eventsUnresolved: this.eventsUnresolved,
      effectsProduced: this.effectsProduced,
      entitiesCreated: this.entitiesCreated,
      entitiesUpdated: this.#updatedBefore + this.#updated.size,
      mergesDetected: this.mergesDetected,
      lateArrivals: this.lateArrivals,
      eventsFailed: this.eventsFailed,
      failures: this.failures,
      durationMs,
      timing: { ...this.timing, total_ms: durationMs, overhead_ms: Math.max(0, durationMs - staged) },
    }
  }
}
