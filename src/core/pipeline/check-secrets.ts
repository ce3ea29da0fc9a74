/** P11: secrets in clear (spec 10 §3.8). */
import type { Check } from '../definition/check.ts'
import type { Path } from '../definition/path.ts'
import { hasClearPassword } from '../secret-text.ts'

/** What is said of a secret in clear. */
export const IN_CLEAR = `is a secret in clear: write \${env:NAME} or \${file:PATH}`

export function clearPassword(check: Check, path: Path, url: string | null | undefined): void {
  if (!url || !hasClearPassword(url)) return
  check.issues.add('P11', path, `the password of this URL ${IN_CLEAR}`)
}
