/** JSON text of records of any shape, as they are kept for people and for reading them again (spec 07 §9). */

/**
 * Ints beyond 2^53 keep their digits, values JSON does not know become null. What is nested deeper than JSON can be
 * written here is kept as its text.
 */
export function recordJson(record: unknown): string {
  try {
    return JSON.stringify(record ?? null, exact) ?? 'null'
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return JSON.stringify(deepText(record))
  }
}

/** JSON text of plain data nested to any depth, with a stack of its own. */
function deepText(value: unknown): string {
  const parts: string[] = []
  // What is still to be written, last first: values, or text that stands as it is.
  const open: ({ value: unknown } | string)[] = [{ value }]
  while (open.length > 0) {
    const next = open.pop() as { value: unknown } | string
    if (typeof next === 'string') parts.push(next)
    else if (typeof next.value !== 'object' || next.value === null)
      parts.push(JSON.stringify(next.value, exact) ?? 'null')
    else {
      const list = Array.isArray(next.value)
      const entries = Object.entries(next.value)
      open.push(list ? ']' : '}')
      for (const [i, [key, item]] of entries.reverse().entries()) {
        open.push({ value: item })
        if (!list) open.push(`${JSON.stringify(key)}:`)
        if (i < entries.length - 1) open.push(',')
      }
      open.push(list ? '[' : '{')
    }
  }
  return parts.join('')
}

function exact(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? rawNumber(String(value)) : value
}

function rawNumber(digits: string): unknown {
  const json = JSON as typeof JSON & { rawJSON?(text: string): unknown }
  return json.rawJSON ? json.rawJSON(digits) : digits
}
