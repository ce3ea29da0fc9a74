/** Flush and prune from time to time, in whichever process of the space comes first (spec 07 §4.3). */
import { DefactoError, LockHeld } from '../../errors.ts'
import type { Engine } from '../engine.ts'
import { flushCold } from './flush.ts'
import { pruneCold, type Retention, retentionBound } from './prune.ts'

export interface ColdScheduleOptions {
  /** Milliseconds between the end of one flush and the beginning of the next. */
  readonly flushEveryMs: number
  /** What leaves the database afterwards; left out: nothing. */
  readonly retention?: Retention
}

export class ColdSchedule {
  readonly #engine: Engine
  readonly #options: ColdScheduleOptions
  readonly #stopping = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(engine: Engine, options: ColdScheduleOptions) {
    this.#engine = engine
    this.#options = options
  }

  start(): void {
    this.#timer = setTimeout(() => {
      this.#running = this.#run().then(() => {
        if (!this.#stopping.signal.aborted) this.start()
      })
    }, this.#options.flushEveryMs)
    // A process that has nothing else to do may end.
    this.#timer.unref()
  }

  /** Interrupts what runs, at a place from which it can go on, and waits for it. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    clearTimeout(this.#timer)
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    const logger = this.#engine.logger.child('defacto.storage')
    try {
      const { rows, flushed } = await flushCold(this.#engine, { signal })
      if (rows > 0) logger.info('events flushed to the cold tier', { rows, flushed })
      const { retention } = this.#options
      if (retention === undefined) return
      const result = await pruneCold(this.#engine, { signal, before: await retentionBound(this.#engine, retention) })
      if (result.rows > 0) logger.info('events pruned from the database', { rows: result.rows, pruned: result.pruned })
    } catch (error) {
      // Somebody else does it, or a build is running; next time.
      if (error instanceof LockHeld || signal.aborted) return
      const code = error instanceof DefactoError ? error.code : null
      logger.error('scheduled flush failed', { code, reason: error instanceof Error ? error.message : 'unknown' })
    }
  }
}
