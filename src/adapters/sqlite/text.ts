/**
 * Text that UTF-8 cannot hold. A lone surrogate would be stored as U+FFFD, and different hints would become one; such
 * values are stored escaped behind a mark, and so is anything that already begins with the mark.
 */
const MARK = '\uffff'

export function storedText(value: string): string {
  if (value.isWellFormed() && !value.startsWith(MARK)) return value
  // JSON writes lone surrogates as escapes.
  return MARK + JSON.stringify(value)
}

export function givenText(stored: string): string {
  return stored.startsWith(MARK) ? (JSON.parse(stored.slice(1)) as string) : stored
}
