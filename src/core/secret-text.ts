/** References to secrets in texts of the configuration and of pipelines (spec 10 §7.2), and secrets that are none. */

/** `${env:NAME}`, `${env:NAME:-default}`, `${file:PATH}`. */
export const REFERENCE = /\$\{(env|file):([^}]*)\}/g

export function hasReference(text: string): boolean {
  return text.search(REFERENCE) >= 0
}

/** True if a text carries a secret in clear: the password of a URL. */
export function hasClearPassword(text: string): boolean {
  return /[a-z][a-z0-9+.-]*:\/\/[^\s:/@]*:[^\s@/]+@/i.test(text.replace(REFERENCE, ''))
}
