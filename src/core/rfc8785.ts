/**
 * JSON in the form of RFC 8785: one text for every value, whoever writes it, so that it can be hashed and signed. (The
 * canonical JSON of definitions is another form: it escapes everything beyond ASCII.)
 */

/** Names sorted by UTF-16 code units, no blanks, numbers and texts as ECMAScript writes them. Plain, acyclic data only. */
export function rfc8785(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => rfc8785(item)).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined)
    members.sort(([a], [b]) => (a < b ? -1 : 1))
    return `{${members.map(([name, member]) => `${text(name)}:${rfc8785(member)}`).join(',')}}`
  }
  if (typeof value === 'string') return text(value)
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError('JSON has no such number')
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return JSON.stringify(value)
  throw new TypeError(`JSON has no ${typeof value}`)
}

function text(value: string): string {
  if (!value.isWellFormed()) throw new TypeError('half a surrogate pair has no form in UTF-8')
  return JSON.stringify(value)
}
