/** Which roots an expression can see, by the place it stands in (spec 02 §1). */

/**
 * `empty`: the root exists in the language but has no content here; it is null and gives warning W08.
 * `none`: naming it is an error (E05).
 */
export interface Scope {
  /** `raw`: the whole raw record; `event`: mapped fields and built-ins. */
  readonly event: 'raw' | 'event' | 'empty' | 'none'
  readonly entity: 'entity' | 'empty' | 'none'
  /** False: the variable has no value here and is null (W08). */
  readonly value: boolean
}

/** Source mapping `compute`. */
export const MAPPING: Scope = { event: 'raw', entity: 'empty', value: false }
/** Identity `normalize`. */
export const NORMALIZE: Scope = { event: 'empty', entity: 'empty', value: true }
/** Guards and effects of handlers. */
export const HANDLER: Scope = { event: 'event', entity: 'entity', value: false }
/** Property `compute`. */
export const PROPERTY: Scope = { event: 'empty', entity: 'entity', value: false }
/** Effects of time rules. */
export const TIME_RULE: Scope = { event: 'empty', entity: 'entity', value: false }
