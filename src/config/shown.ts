/** What of a setting is a secret (spec 10 §7.2): shown as `***`, and refused in clear by production. */
import type { Setting } from './check.ts'
import { hasClearPassword, hasReference, maskText } from './secrets.ts'

/** Keys whose values are secrets, wherever they stand. */
const SECRET_KEY = /^(key|token|secret|password|headers)$/i

/** True if a setting carries a secret that is no reference. */
export function inClear({ kind, value }: Setting): boolean {
  if (kind.kind === 'items' || kind.kind === 'open') return hasSecretInside(value)
  if (kind.kind !== 'text' || typeof value !== 'string') return false
  return kind.secret === 'always' ? !hasReference(value) : kind.secret === 'url' && hasClearPassword(value)
}

/** True if a text that stands under such a key is no reference. */
function hasSecretInside(value: unknown, secret = false): boolean {
  if (typeof value === 'string') return secret && !hasReference(value)
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(([key, item]) => hasSecretInside(item, secret || SECRET_KEY.test(key)))
}

/** The value as `config show` prints it. */
export function shownValue(setting: Setting): unknown {
  const { kind, value } = setting
  const always = kind.kind === 'items' || ('secret' in kind && kind.secret === 'always')
  return always ? '***' : maskDeep(value)
}

function maskDeep(value: unknown): unknown {
  if (typeof value === 'string') return maskText(value)
  if (Array.isArray(value)) return value.map(maskDeep)
  if (typeof value === 'object' && value !== null) {
    const shown = Object.entries(value).map(([key, item]) => [key, SECRET_KEY.test(key) ? '***' : maskDeep(item)])
    return Object.fromEntries(shown) as unknown
  }
  return value
}
