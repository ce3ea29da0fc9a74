/** Recognizing a person by keyed digests in values of any shape (spec 05 §4.2 no. 14, §4.3 step 4). Pure. */
import type { Digests } from './digest.ts'

/**
 * Whether a text or number anywhere in a JSON value is one of those that `known` holds tokens of, as it is or trimmed and in
 * lower case, or an event id that it holds the digest of. Keys do not count.
 */
export function mentions(value: unknown, known: ReadonlySet<string>, digests: Digests): boolean {
  if (known.size === 0) return false
  for (const text of leaves(value)) {
    if (known.has(digests.token(text)) || known.has(digests.event(text))) return true
    const plain = text.trim().toLowerCase()
    if (plain !== text && known.has(digests.token(plain))) return true
  }
  return false
}

/** Texts of what is at these paths of a JSON value (`core/privacy/plan.ts`), and below; each once. */
export function collect(value: unknown, paths: Iterable<string>): string[] {
  const found = new Set<string>()
  for (const path of paths) {
    for (const at of placesOf(value, path)) for (const text of leaves(at)) if (text !== '') found.add(text)
  }
  return [...found]
}

/** What a path leads to: the key of its whole text, and its steps, through all elements of lists. */
function placesOf(value: unknown, path: string): unknown[] {
  if (path === '') return [value]
  const steps = path.split('.')
  const places = steps.length > 1 ? walk(value, steps, 0) : []
  if (isObject(value) && Object.hasOwn(value, path)) places.push((value as Record<string, unknown>)[path])
  return places
}

function walk(at: unknown, steps: readonly string[], from: number): unknown[] {
  const step = steps[from]
  if (step === undefined) return [at]
  if (!isObject(at)) return []
  if (Array.isArray(at) && !/^\d{1,9}$/.test(step)) return at.flatMap((item) => walk(item, steps, from))
  return Object.hasOwn(at, step) ? walk((at as Record<string, unknown>)[step], steps, from + 1) : []
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** Every text and number of a value, as text; with a stack of its own, so that no depth is too much. */
function* leaves(value: unknown): Generator<string> {
  const open: unknown[] = [value]
  while (open.length > 0) {
    const at = open.pop()
    if (typeof at === 'string') yield at
    else if (typeof at === 'number' || typeof at === 'bigint') yield String(at)
    else if (isObject(at)) for (const item of Object.values(at)) open.push(item)
  }
}
