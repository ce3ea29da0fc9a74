/** Replacing or removing the values that a path of a JSON value leads to (spec 05 §5.2). Pure, but for the value it is given. */
import { getOwn, setOwn } from '../raw-path.ts'
import type { Digests } from './digest.ts'
import type { Treatment } from './plan.ts'

type Holder = Record<string, unknown>
type Notes = Record<string, unknown> | null

/** What a treatment leaves of a value; undefined: neither value nor key. Equal texts give equal digests. */
export function treated(value: unknown, treatment: Treatment, digests: Digests): string | null | undefined {
  if (treatment === 'remove') return undefined
  if (typeof value !== 'string') return null
  switch (treatment) {
    case 'redact':
      return '[REDACTED]'
    case 'hash':
      return digests.token(value)
    case 'mask':
      return masked(value)
  }
}

/** All but the last four characters; up to eight of them all. */
function masked(text: string): string {
  const points = Array.from(text)
  const shown = points.length > 8 ? 4 : 0
  return '*'.repeat(points.length - shown) + points.slice(points.length - shown).join('')
}

/** One treatment, put to paths of one value. Nulls stay, and no key is ever added. */
export class PathTreatment {
  readonly #treatment: Treatment
  readonly #digests: Digests
  readonly #isInstant: boolean
  #changed = false

  /** `isInstant`: the text at the path stands for an instant. */
  constructor(treatment: Treatment, digests: Digests, isInstant: boolean) {
    this.#treatment = treatment
    this.#digests = digests
    this.#isInstant = isInstant
  }

  /** Treats a path of event data; notes on kinds of what is treated go. Tells whether anything changed. */
  data(data: Holder, kinds: Record<string, unknown>, path: string): boolean {
    return this.#run(data, kinds, path)
  }

  /** Treats a path of a raw record. */
  raw(record: Holder, path: string): boolean {
    return this.#run(record, null, path)
  }

  #run(root: Holder, notes: Notes, path: string): boolean {
    this.#changed = false
    // A key of the whole text is read before the steps (spec 03 §1), and not by expressions: neither is left behind.
    const steps = path.split('.')
    if (steps.length > 1) this.#walk(root, steps, 0, notes)
    if (Object.hasOwn(root, path)) this.#at(root, path, notes)
    return this.#changed
  }

  #walk(at: unknown, steps: readonly string[], from: number, notes: Notes): void {
    if (typeof at !== 'object' || at === null) return
    const step = steps[from] as string
    if (Array.isArray(at) && !/^\d{1,9}$/.test(step)) {
      // A name among the elements of a list means each of them.
      for (let i = 0; i < at.length; i++) this.#walk(at[i], steps, from, below(notes, String(i)))
      return
    }
    if (!Object.hasOwn(at, step)) return
    if (from === steps.length - 1) this.#at(at as Holder, step, notes)
    else this.#walk((at as Holder)[step], steps, from + 1, below(notes, step))
  }

  /** Treats every value below, whatever its path. */
  all(at: unknown): boolean {
    this.#changed = false
    this.#each(at)
    return this.#changed
  }

  #each(at: unknown): void {
    if (typeof at !== 'object' || at === null) return
    for (const key of Object.keys(at)) {
      const value = (at as Holder)[key]
      if (typeof value === 'object' && value !== null) this.#each(value)
      else this.#at(at as Holder, key, null)
    }
  }

  #at(holder: Holder, key: string, notes: Notes): void {
    const value = holder[key]
    const note = notes === null ? null : getOwn(notes, key)
    if (this.#treatment === 'remove') {
      // A null tells nothing, unless it is what a treatment left.
      if ((value === null || value === undefined) && !Array.isArray(note)) return
      if (Array.isArray(holder)) holder[Number(key)] = null
      else delete holder[key]
    } else {
      if (value === null || value === undefined) return
      const isText = typeof value === 'string' && note !== 't' && !this.#isInstant
      setOwn<unknown>(holder, key, treated(isText ? value : null, this.#treatment, this.#digests))
    }
    if (notes !== null) delete notes[key]
    this.#changed = true
  }
}

function below(notes: Notes, key: string): Notes {
  const note = notes === null ? null : getOwn(notes, key)
  return typeof note === 'object' && note !== null && !Array.isArray(note) ? (note as Record<string, unknown>) : null
}
