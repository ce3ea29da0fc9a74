/** Whom merges by hand belong to: the entity their sides became (spec 05 §3.2). */
import { type Directive, directiveOf, hintsOf, withHints } from '../core/directive.ts'
import type { Components } from '../core/grouping.ts'
import { NoteDraft } from '../core/privacy/note.ts'
import type { EntityMapping, FullLedgerRow, TreatedRow, Unit } from '../ports/store.ts'
import type { Edition, Engine } from './engine.ts'
import { lookupHints } from './privacy/lookup.ts'
import { withForms } from './sayings.ts'

/** Mappings of those of the rows that are merges by hand, once the hints of all rows are resolved. */
export async function directiveMappings(
  engine: Engine,
  edition: Edition,
  unit: Unit,
  rows: readonly FullLedgerRow[],
): Promise<EntityMapping[]> {
  const { mapping } = engine.store
  const mappings: EntityMapping[] = []
  for (const row of rows) {
    const directive = directiveOf(row)
    if (directive === null) continue
    const keys = [...hintsOf(withForms(edition.program, directive.into, unit.now))]
    const ids = await lookupHints(engine, unit, keys)
    const found = ids.findIndex((id) => id !== undefined)
    const entityId = ids[found]
    const entityType = keys[found]?.entityType
    if (entityId !== undefined && entityType !== undefined) {
      mappings.push({ sequence: row.sequence, entityId, entityType })
      continue
    }
    const { id } = directive.into
    const type = (await mapping.existing(unit, [id])).has(id) ? await mapping.entityType(id) : undefined
    if (type !== undefined) mappings.push({ sequence: row.sequence, entityId: id, entityType: type })
  }
  return mappings
}

/**
 * Merges by hand whose sides have other hints under new rules, with these beside those they had: the next reset may not see
 * any more what became of what. `told`: by sequence what the sides were found by.
 */
export async function renewedDirectives(
  engine: Engine,
  told: ReadonlyMap<number, Directive>,
  components: Components,
): Promise<TreatedRow[]> {
  const untreated = new NoteDraft(null).text()
  const renewed: TreatedRow[] = []
  for await (const rows of engine.store.ledger.rows([...told.keys()])) {
    for (const { sequence, eventType, data, raw, hints, kinds, redaction } of rows) {
      const directive = directiveOf({ eventType, data })
      const found = told.get(sequence)
      if (directive === null || found === undefined) continue
      const from = withHints(directive.from, components.hintsNow(found.from))
      const into = withHints(directive.into, components.hintsNow(found.into))
      if (from === directive.from && into === directive.into) continue
      const next = { ...(JSON.parse(data) as object), from_hints: from.hints, into_hints: into.hints }
      renewed.push({ sequence, data: JSON.stringify(next), raw, hints, kinds, redaction: redaction ?? untreated })
    }
  }
  return renewed
}
