/** Where programs that were built or installed stay: outside the checkout, and where a user without privileges can reach them. */
import { statSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

export function cacheFolder(): string {
  const usual = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'defacto')
  return process.getuid?.() === 0 && !isOpenToAll(usual) ? '/var/cache/defacto' : usual
}

/** May everybody pass through all folders on the way? What does not exist yet stands in nobody's way. */
export function isOpenToAll(path: string): boolean {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0o001
  return (mode & 0o001) !== 0 && (dirname(path) === path || isOpenToAll(dirname(path)))
}
