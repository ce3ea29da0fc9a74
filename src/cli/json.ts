/** JSON of results: Ints of any size keep their digits. */

function exact(_key: string, value: unknown): unknown {
  if (typeof value !== 'bigint') return value
  const json = JSON as typeof JSON & { rawJSON?(text: string): unknown }
  return json.rawJSON ? json.rawJSON(String(value)) : String(value)
}

export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value ?? null, exact, indent)
}

/** `eventsIngested` → `events_ingested`, in all keys of our own result objects (never of data). */
export function snakeKeys(value: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`), item]),
  )
}

/** As `snakeKeys`, of the objects inside too, but for values and definitions, whose keys are the user's own. */
export function snakeDeep(value: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(snakeKeys(value)).map(([key, item]) => [key, OWN.has(key) ? item : inner(item)]),
  )
}

const OWN = new Set(['value', 'before', 'definition'])

function inner(item: unknown): unknown {
  if (Array.isArray(item)) return item.map(inner)
  return typeof item === 'object' && item !== null ? snakeDeep(item) : item
}
