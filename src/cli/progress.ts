/** One progress bar on stderr for long work; silent when stderr is no terminal. */
import type { Output } from './output.ts'

export interface Progress {
  /** `total` null: unknown, only the count shows. `label` says what is counted. */
  update(done: number, total: number | null, label: string): void
  /** Removes the bar. */
  stop(): void
}

const NONE: Progress = { update: () => {}, stop: () => {} }

/** The bar appears with its first update and never on a run that is over before. */
export async function progressOn(output: Output): Promise<Progress> {
  if (!output.lively) return NONE
  const { default: bars } = await import('cli-progress')
  const bar = new bars.SingleBar({
    format: '{label} [{bar}] {percentage}%  {value}/{total}',
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
    etaBuffer: 50,
    fps: 8,
  })
  let started = false
  return {
    update(done, total, label): void {
      const size = total ?? Math.max(done, 1)
      if (!started) bar.start(size, done, { label })
      started = true
      bar.setTotal(size)
      bar.update(Math.min(done, size), { label })
    },
    stop(): void {
      if (started) bar.stop()
      started = false
    },
  }
}
