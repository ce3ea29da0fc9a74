/** Texts as sequences of code points (spec 02 §2); most texts hold no surrogates, where both ways of counting agree. */

const SURROGATE = /[\ud800-\udfff]/

/** Whether indexes of code points and of UTF-16 units agree. */
function isPlain(text: string): boolean {
  return !SURROGATE.test(text)
}

export function lengthOf(text: string): number {
  if (isPlain(text)) return text.length
  let count = 0
  for (const _ of text) count++
  return count
}

export function charactersOf(text: string): string[] {
  return isPlain(text) ? text.split('') : [...text]
}

/** The character at `index`, from the end if negative; null outside. */
export function characterAt(text: string, index: number): string | null {
  if (isPlain(text)) return text.at(index) ?? null
  return [...text].at(index) ?? null
}

/** `length` characters from `start`; a negative start counts from the end, a negative length gives the empty text. */
export function substring(text: string, start: number, length: number): string {
  if (length <= 0) return ''
  const characters = isPlain(text) ? text : [...text]
  const from = start < 0 ? Math.max(0, characters.length + start) : start
  const part = characters.slice(from, from + length)
  return typeof part === 'string' ? part : part.join('')
}

/** Order by code point: negative, zero or positive. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x === y) continue
    // Surrogates stand for code points above U+FFFF and so come after U+E000–U+FFFF.
    const highX = x >= 0xd800 && x <= 0xdfff
    const highY = y >= 0xd800 && y <= 0xdfff
    return highX === highY ? x - y : highX ? 1 : -1
  }
  return a.length - b.length
}

/** Unicode white space (which is not quite what the host's `trim` removes). */
export function isBlank(unit: number): boolean {
  if (unit < 0x85) return unit === 0x20 || (unit >= 0x09 && unit <= 0x0d)
  return (
    unit === 0x85 ||
    unit === 0xa0 ||
    unit === 0x1680 ||
    (unit >= 0x2000 && unit <= 0x200a) ||
    unit === 0x2028 ||
    unit === 0x2029 ||
    unit === 0x202f ||
    unit === 0x205f ||
    unit === 0x3000
  )
}

export function trim(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}
