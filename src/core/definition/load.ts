/** From user data to the canonical definition set (spec 01 §1). Pure; a user's mistakes become issues, not exceptions. */
import { Issues, NO_PLACES, type Places } from './issues.ts'
import type { DefinitionsObject, Issue } from './model.ts'
import { parsePath } from './path.ts'
import { isMap, kindWords } from './plain.ts'
import { readerOf, reportUnknown } from './read.ts'
import { KINDS, type Kind, kindShapes } from './shape.ts'

export interface Loaded {
  /**
   * Canonical form. Where issues have severity `error`, what could not be used is missing (even required keys), so
   * only a valid set may be handed to the engine.
   */
  readonly definitions: DefinitionsObject
  /** What reading found; `validate` adds the rest. */
  readonly issues: readonly Issue[]
  /** Where the value at a path stands in its file (`file:line:column`); null if it did not come from one. */
  place(path: string): string | null
  readonly places: Places
  /** Set when parts are missing for other reasons than the user's text: references to absent names are no errors. */
  readonly partial: boolean
}

/** The name of one definition of a kind, as messages call it. */
export const NOUNS: Readonly<Record<Kind, string>> = {
  entities: 'entity',
  sources: 'source',
  schemas: 'schema',
  pipelines: 'pipeline',
}

/** Reads the object form `{entities, sources, schemas, pipelines}`; every key is optional. */
export function fromObject(value: unknown): Loaded {
  const issues = new Issues()
  if (!isMap(value)) {
    issues.add('E01', [], `expected a map of definitions, found ${kindWords(value)}`)
    return loaded(readKinds({}, issues), issues, NO_PLACES, false)
  }
  reportUnknown(value, new Set(KINDS), [], issues)
  return loaded(readKinds(value, issues), issues, NO_PLACES, false)
}

/** Reads one definition in object form, `{name: body}`. References to other definitions are not checked. */
export function fromNamed(kind: Kind, value: unknown): Loaded {
  const issues = new Issues()
  const names = isMap(value) ? Object.keys(value) : []
  if (names.length === 1) return loaded(readKinds({ [kind]: value }, issues), issues, NO_PLACES, true)
  issues.add(
    'E01',
    [kind],
    `expected a map with exactly one ${NOUNS[kind]} name, found ${isMap(value) ? names.length : kindWords(value)}`,
  )
  return loaded(readKinds({}, issues), issues, NO_PLACES, true)
}

/** Reads the four kinds of a map whose other keys were dealt with. */
export function readKinds(value: Readonly<Record<string, unknown>>, issues: Issues): DefinitionsObject {
  const out: Record<Kind, unknown> = { entities: {}, sources: {}, schemas: {}, pipelines: {} }
  for (const kind of KINDS) {
    const given = Object.hasOwn(value, kind) ? value[kind] : undefined
    if (given === undefined || given === null) continue
    out[kind] = readerOf(kindShapes[kind])(given, [kind], issues) ?? {}
  }
  return out as DefinitionsObject
}

export function loaded(definitions: DefinitionsObject, issues: Issues, places: Places, partial: boolean): Loaded {
  return {
    definitions,
    issues: issues.list,
    places,
    partial,
    place: (text) => {
      const path = parsePath(text)
      return path === null ? null : places.at(path)
    },
  }
}
