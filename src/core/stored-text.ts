/**
 * Text that databases cannot hold: NUL, and lone surrogates, which UTF-8 would turn into U+FFFD, so that different hints
 * became one. Such values are stored escaped behind a mark, and so is anything that already begins with the mark.
 */
const MARK = '\uffff'

export function storedText(value: string): string {
  if (value.isWellFormed() && !value.includes('\0') && !value.startsWith(MARK)) return value
  // JSON writes lone surrogates and NUL as escapes.
  return MARK + JSON.stringify(value)
}

export function givenText(stored: string): string {
  return stored.startsWith(MARK) ? (JSON.parse(stored.slice(1)) as string) : stored
}
