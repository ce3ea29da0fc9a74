/** Whom merges by hand belong to: the entity their sides became (spec 05 §3.2). */
import { directiveOf, hintsOf } from '../core/directive.ts'
import type { EntityMapping, FullLedgerRow, Unit } from '../ports/store.ts'
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
