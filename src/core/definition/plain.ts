/** Telling apart what users hand in, without trusting it. */

/** A map as YAML or JSON gives it; lists, dates, Maps and the like are none. */
export function isMap(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.prototype.toString.call(value) === '[object Object]'
  )
}

/** The kind of a value in the words of YAML, for "expected …, found …". */
export function kindWords(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (isMap(value)) return 'a map'
  if (typeof value === 'string') return 'text'
  if (typeof value === 'number' || typeof value === 'bigint') return 'a number'
  if (typeof value === 'boolean') return 'a boolean'
  return typeof value === 'function' ? 'a function' : 'an object of another kind'
}

const MAX_DEPTH = 64
const MAX_NODES = 100_000

/** A copy of JSON-like data, or a text saying why it is none: too deep, too large, cyclic, or other kinds inside. */
export function copyPlain(value: unknown): { value: unknown } | string {
  let nodes = 0
  let fault: string | null = null
  const copy = (node: unknown, depth: number): unknown => {
    if (fault !== null) return null
    if (depth > MAX_DEPTH) fault = `expected at most ${MAX_DEPTH} levels of nesting`
    else if (++nodes > MAX_NODES) fault = `expected at most ${MAX_NODES} values`
    else if (Array.isArray(node)) return Array.from(node, (item: unknown) => copy(item, depth + 1))
    else if (isMap(node)) {
      const entries = Object.entries(node).filter(([, item]) => item !== undefined)
      if (entries.some(([key]) => key === '__proto__')) fault = "invalid name '__proto__'"
      else return Object.fromEntries(entries.map(([key, item]) => [key, copy(item, depth + 1)]))
    } else if (node === null || typeof node === 'string' || typeof node === 'boolean') return node
    else if (typeof node === 'number' && Number.isFinite(node)) return node
    else fault = `expected plain data, found ${kindWords(node)}`
    return null
  }
  const result = copy(value, 0)
  return fault ?? { value: result }
}
