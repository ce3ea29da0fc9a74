/**
 * JSON texts of ledger columns. `jsonb` cannot hold some values (NUL, lone surrogates) and changes others (minus zero,
 * floats that it writes like integers, the order of keys inside values). Then the column holds a `jsonb` string with the
 * JSON text in it; `data` and hints are objects, so a string there can be nothing else.
 */

/** Escapes, objects inside the object, exponents and minus zero: what `jsonb` may not give back as it was. */
const SUSPECT = /\\u|.\{|[:,[]\s*-?(?:[\d.]+[eE]|(?<=-)0)/s
const SUSPECT_NUMBER = /[:,[]\s*-?(?:[\d.]+[eE]|(?<=-)0)/
const INT_LIMIT = 2 ** 63

/** What to store in a `jsonb` column for the JSON text of an object. */
export function storedJson(text: string): string {
  return SUSPECT.test(text) && !survivesJsonb(text) ? JSON.stringify(text) : text
}

/** The JSON text that a `jsonb` column holds; with the blanks that the server puts behind `:` and `,`. */
export function givenJson(stored: string): string {
  return stored.startsWith('"') ? (JSON.parse(stored) as string) : stored
}

/** The same without the server's blanks. */
export function compactJson(stored: string): string {
  if (stored.startsWith('"')) return JSON.parse(stored) as string
  let compact = ''
  let from = 0
  let quoted = false
  for (let at = 0; at < stored.length; at += 1) {
    const code = stored.charCodeAt(at)
    if (code === QUOTE) quoted = !quoted
    else if (quoted) at += code === BACKSLASH ? 1 : 0
    else if (code === BLANK) {
      compact += stored.slice(from, at)
      from = at + 1
    }
  }
  return from === 0 ? stored : compact + stored.slice(from)
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const BLANK = 0x20

/** JSON text for a `json` column, which keeps texts as they are; lone surrogates can only stand inside JSON strings. */
export function wellFormedJson(text: string): string {
  if (text.isWellFormed()) return text
  return text.replace(/\p{Surrogate}/gu, (unit) => `\\u${unit.charCodeAt(0).toString(16)}`)
}

function survivesJsonb(text: string): boolean {
  const value: unknown = SUSPECT_NUMBER.test(text)
    ? JSON.parse(text, markChangedNumber as (key: string, value: unknown) => unknown)
    : JSON.parse(text)
  return isPlain(value, false)
}

interface ReviverContext {
  source?: string
}

/** Stands for a number `jsonb` would change or refuse. */
const CHANGED = Symbol('changed')

function markChangedNumber(_key: string, value: unknown, context: ReviverContext): unknown {
  if (typeof value !== 'number') return value
  if (Object.is(value, -0) || !Number.isFinite(value)) return CHANGED
  // `1e17` is a Float, but `jsonb` writes it as digits, which are an Int.
  const isFloat = !Number.isSafeInteger(value) && Number.isInteger(value) && Math.abs(value) <= INT_LIMIT
  return isFloat && !/^-?\d+$/.test(context.source ?? '') ? CHANGED : value
}

function isPlain(value: unknown, nested: boolean): boolean {
  if (typeof value === 'string') return isPlainText(value)
  if (typeof value === 'symbol') return false
  if (typeof value !== 'object' || value === null) return true
  if (Array.isArray(value)) return value.every((item) => isPlain(item, true))
  const keys = Object.keys(value)
  if (!keys.every(isPlainText)) return false
  // The order of fields means nothing, but that of keys inside a value shows in texts made of it.
  if (nested && !isJsonbOrder(keys)) return false
  return keys.every((key) => isPlain((value as Record<string, unknown>)[key], true))
}

function isPlainText(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0')
}

/** `jsonb` sorts keys by length in bytes, then bytes. Keys that look like array indexes come first here anyway. */
function isJsonbOrder(keys: readonly string[]): boolean {
  const named = keys.filter((key) => !/^(?:0|[1-9]\d{0,9})$/.test(key)).map((key) => Buffer.from(key))
  return named.every((key, i) => {
    const before = named[i - 1]
    return (
      before === undefined || before.length < key.length || (before.length === key.length && before.compare(key) < 0)
    )
  })
}
