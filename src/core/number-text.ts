/** Shortest exact decimal digits of a double, without exponent and without a trailing `.0` (spec 02 §7 `to_string`). */
export function floatText(n: number): string {
  const text = String(n)
  const mark = text.indexOf('e')
  if (mark < 0) return text // minus zero is `0` here, too
  const sign = text.startsWith('-') ? '-' : ''
  const [lead = '', rest = ''] = text.slice(sign.length, mark).split('.')
  const exponent = Number(text.slice(mark + 1))
  const digits = lead + rest
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`
  return sign + digits.padEnd(exponent + 1, '0')
}

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/
const WHOLE = /^[+-]?\d+$/

/** A finite double from decimal or exponent form with an optional sign; null for any other text, blanks included. */
export function floatFromText(text: string): number | null {
  if (!DECIMAL.test(text)) return null
  const value = Number(text)
  return Number.isFinite(value) ? value : null
}

/** An Int from an optional sign and digits: a safe whole number, else a bigint; null for other texts and beyond 64 bits. */
export function intFromText(text: string): number | bigint | null {
  if (!WHOLE.test(text)) return null
  const small = Number(text)
  if (Number.isSafeInteger(small)) return small + 0
  if (!(Math.abs(small) <= 2 ** 63)) return null
  const value = BigInt(text.startsWith('+') ? text.slice(1) : text)
  return value < -(2n ** 63n) || value >= 2n ** 63n ? null : value
}
