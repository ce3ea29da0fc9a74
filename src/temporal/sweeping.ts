/** Once a minute, runs that a crash left queued are started; then, and after runs, people hear what they should (spec 10 §3.8, §4.2). */
import type { Control, Runner } from '../orchestration/contract.ts'
import type { Logger } from '../ports/logger.ts'

const EVERY_MS = 60_000

export function sweeping(
  control: Control,
  runner: Runner,
  logger?: Logger,
  /** Done every minute beside it, and when asked for; never rejects. */
  also: (signal: AbortSignal) => Promise<void> = async () => {},
): { soon(): void; stop(): Promise<void> } {
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
  let asked = false
  const soon = (): void => {
    if (asked || ending.signal.aborted) return
    asked = true
    current = current.then(() => {
      asked = false
      return ending.signal.aborted ? undefined : also(ending.signal)
    })
  }
  next()
  const timer = setInterval(next, EVERY_MS)
  return {
    soon,
    stop() {
      clearInterval(timer)
      ending.abort()
      return current
    },
  }
}
