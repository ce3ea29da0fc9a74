/**
 * What each event says about who is who, while identity is built anew: its hints, the targets it could relate to, or a merge
 * by hand (spec 04 §4.4, 05 §3.2, §5.3).
 */
import { type Directive, type DirectiveSide, directiveOf, hintsOf, mapHints } from '../core/directive.ts'
import type { Hints } from '../core/event.ts'
import { canonicalHint } from '../core/hints.ts'
import { type HintGroup, hintKey, relateGroups } from '../core/identity.ts'
import type { Instant } from '../core/instant.ts'
import { decodeEvent, rehint } from '../core/normalize.ts'
import type { Digests } from '../core/privacy/digest.ts'
import { readNote } from '../core/privacy/note.ts'
import type { Program } from '../core/program.ts'
import type { FullLedgerRow } from '../ports/store.ts'
import type { Engine } from './engine.ts'

export interface Saying {
  readonly sequence: number
  readonly hints: Hints
  readonly groups: readonly HintGroup[]
  /** Hints of the row before they were extracted again. */
  readonly previous: Hints
  /** Of a merge by hand; null: any other event. */
  readonly directive: Directive | null
}

/** What a row says under the current identity rules; null: its values fail them. */
export function sayingOf(program: Program, row: FullLedgerRow, now: Instant): Saying | null {
  const directive = directiveOf(row)
  if (directive !== null) {
    const said = { from: withForms(program, directive.from, now), into: withForms(program, directive.into, now) }
    return { sequence: row.sequence, hints: {}, groups: [], previous: {}, directive: said }
  }
  const event = decodeEvent(program, row)
  const again = rehint(program, event, now, readNote(row.redaction))
  if ('error' in again) return null
  const { hints } = again
  const groups = relateGroups(program, event, hints)
  return { sequence: row.sequence, hints, groups, previous: JSON.parse(row.hints) as Hints, directive: null }
}

/** The hints a side had when it was merged, and what the current rules make of them. */
export function withForms(program: Program, side: DirectiveSide, now: Instant): DirectiveSide {
  const context = { raw: null, event: null, entity: null, value: null, now }
  return mapHints(side, ({ entityType, hintType, value }) => {
    const identity = program.entities.get(entityType)?.identity.get(hintType)
    if (identity === undefined) return [value]
    try {
      return [value, canonicalHint(identity, value, context) ?? value]
    } catch {
      return [value]
    }
  })
}

/**
 * Plain hints whose tokens the identity table knows count as those: an event that came after a redaction and names the same
 * person does not part from them.
 */
export class TokenAliases {
  readonly #engine: Engine
  readonly #digests: Digests

  constructor(engine: Engine, digests: Digests) {
    this.#engine = engine
    this.#digests = digests
  }

  /** Null: nothing was ever redacted. */
  static async of(engine: Engine): Promise<TokenAliases | null> {
    return (await engine.store.identity.hasTokens(null)) ? new TokenAliases(engine, await engine.digests()) : null
  }

  async apply(sayings: readonly Saying[]): Promise<readonly Saying[]> {
    const tokens = new Map<string, string>()
    for (const saying of sayings) {
      for (const { entityType, hintType, value } of everyHint(saying)) {
        const key = hintKey(entityType, hintType, value)
        if (!tokens.has(key)) tokens.set(key, this.#digests.token(value))
      }
    }
    const rows = await this.#engine.store.identity.tokens(null, [...new Set(tokens.values())])
    if (rows.length === 0) return sayings
    const known = new Set(rows.map((row) => hintKey(row.entityType, row.hintType, row.value)))
    const replace = (entityType: string, hintType: string, value: string): string => {
      const token = tokens.get(hintKey(entityType, hintType, value))
      return token !== undefined && known.has(hintKey(entityType, hintType, token)) ? token : value
    }
    const fields = (entityType: string, own: Readonly<Record<string, string>>): Record<string, string> => {
      const entries = Object.entries(own).map(([field, value]) => [field, replace(entityType, field, value)])
      return Object.fromEntries(entries) as Record<string, string>
    }
    const hints = (all: Hints): Hints =>
      Object.fromEntries(Object.entries(all).map(([entityType, own]) => [entityType, fields(entityType, own)]))
    const side = (one: DirectiveSide): DirectiveSide =>
      mapHints(one, ({ entityType, hintType, value }) => [replace(entityType, hintType, value)])
    return sayings.map(({ sequence, groups, previous, directive, hints: own }) => ({
      sequence,
      hints: hints(own),
      groups: groups.map((group) => ({ ...group, hints: fields(group.entityType, group.hints) })),
      previous: hints(previous),
      directive: directive === null ? null : { from: side(directive.from), into: side(directive.into) },
    }))
  }
}

function* everyHint({ hints, groups, previous, directive }: Saying) {
  for (const [entityType, own] of [...Object.entries(hints), ...Object.entries(previous)]) {
    for (const [hintType, value] of Object.entries(own)) yield { entityType, hintType, value }
  }
  for (const { entityType, hints: own } of groups) {
    for (const [hintType, value] of Object.entries(own)) yield { entityType, hintType, value }
  }
  if (directive !== null) {
    yield* hintsOf(directive.from)
    yield* hintsOf(directive.into)
  }
}
