/** What the nodes of the model mean beyond their shape (`shape.ts`, `pipeline/shape.ts`); `read.ts` follows it. */
import { z } from 'zod'

/** What a node means beyond its shape: the codes of its findings and special readings. */
export interface Rule {
  /** Code of a text that is none of the options (default E03). */
  code?: string
  /** How the options are called in that message. */
  noun?: string
  /** Code and words when the value is there but empty. */
  empty?: { code: string; message: string }
  /** Code of any wrong kind of value (default E01), with words. */
  wrong?: { code: string; message: string }
  read?: 'effect' | 'texts' | 'literal' | 'duration' | 'copied'
  /** Code and words of a number outside its bounds (default E01). */
  outside?: { code: string; message: string }
  /** Zero is a duration here. */
  zero?: boolean
  /** Value filled in when the key is absent. */
  fill?: string | number
  /** Null is a value here, not the same as leaving the key out. */
  keepsNull?: boolean
  /** A map of names in which keys starting `x-` are none, but room for the user's own notes and anchors. */
  extras?: boolean
}

/** Maps of several kinds, and how their kind is told. */
export interface Variants {
  /** How messages call such a map: `input`, `step`. */
  readonly noun: string
  /** Key with the kind; null: a text, or a map whose only key is the kind and whose value is the body. */
  readonly key: string | null
  /** Kind of a map without the key, told by one of its other keys: `sql` of checks. */
  readonly told?: string
  /** Without body: the text alone is enough. */
  readonly bare?: boolean
  readonly of: Readonly<Record<string, z.ZodObject>>
  /** Kinds that are known and refused: this version does not offer them. */
  readonly later?: readonly string[]
}
export const rules = z.registry<Rule>()

/** Maps whose kind decides which further keys they take. */
export const variants = new WeakMap<z.core.$ZodType, Variants>()
/** Says so of a node, and returns it. */
export function ofKinds<T extends z.ZodType>(node: T, kinds: Variants): T {
  variants.set(node, kinds)
  return node
}
