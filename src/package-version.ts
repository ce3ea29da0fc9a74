/** The version of the package, from the `package.json` above this file (one level more in the compiled form). */
import { readFileSync } from 'node:fs'

export function packageVersion(): string {
  for (const above of ['../package.json', '../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(above, import.meta.url), 'utf8')) as Record<
        string,
        string
      >
      if (name === 'defacto' && version !== undefined) return version
    } catch {
      // not here: look one level higher
    }
  }
  return 'unknown'
}
