/** Watching definitions: one call for what an editor or a checkout changes at once, never two at a time. */
import { watch } from 'node:fs'

const QUIET_MS = 250

/** Returns what ends it. */
export function reloading(folder: string, reload: () => Promise<void>): () => void {
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> = Promise.resolve()
  const watcher = watch(folder, { recursive: true }, (_event, name) => {
    if (name !== null && !/\.ya?ml$/i.test(name)) return
    clearTimeout(timer)
    timer = setTimeout(() => {
      running = running.then(reload)
    }, QUIET_MS)
  })
  return () => {
    clearTimeout(timer)
    watcher.close()
  }
}
