/** Once a minute, runs that a crash left queued are started, and people hear what they should (spec 10 §3.8, §4.2). */
import type { Control, Runner } from '../orchestration/contract.ts'
import type { Logger } from '../ports/logger.ts'

const EVERY_MS = 60_000

export function sweeping(
  control: Control,
  runner: Runner,
  logger?: Logger,
  /** Done every minute beside it; never rejects. */
  also: (signal: AbortSignal) => Promise<void> = async () => {},
): { stop(): Promise<void> } {
  const ending = new AbortController()
  let current: Promise<void> = Promise.resolve()
  async function sweep(): Promise<void> {
    try {
      for (const ref of await control.sweep()) await runner.start(ref)
    } catch (error) {
      // The next minute comes.
      const { name } = error as Error
      logger?.warn('runs left queued could not be looked after', { class: name })
    }
    if (!ending.signal.aborted) await also(ending.signal)
  }
  const next = (): void => {
    current = current.then(sweep)
  }
  next()
  const timer = setInterval(next, EVERY_MS)
  return {
    stop() {
      clearInterval(timer)
      ending.abort()
      return current
    },
  }
}
