/** The history tables of a version (spec 06 §1). */
import type { DefinitionsObject, PropertyType } from '../definition/model.ts'
import { edgeProperties, findInverse } from '../definition/relationships.ts'
import type { HistoryLayout } from '../history.ts'

export function historyLayout(definitions: DefinitionsObject): HistoryLayout {
  const relationships = new Map<
    string,
    { sources: Set<string>; columns: Map<string, PropertyType>; inverses: Set<string> }
  >()
  for (const [entityType, entity] of Object.entries(definitions.entities)) {
    for (const relationship of entity.relationships ?? []) {
      let table = relationships.get(relationship.type)
      if (table === undefined) {
        table = { sources: new Set(), columns: new Map(), inverses: new Set() }
        relationships.set(relationship.type, table)
      }
      table.sources.add(entityType)
      const { inverse } = findInverse(definitions, entityType, relationship)
      if (inverse !== null) table.inverses.add(inverse.type)
      for (const [name, property] of Object.entries(edgeProperties(definitions, entityType, relationship))) {
        table.columns.set(name, property.type)
      }
    }
  }
  return {
    entities: Object.entries(definitions.entities).map(([type, entity]) => ({
      type,
      columns: Object.entries(entity.properties ?? {}).map(([name, property]) => ({ name, type: property.type })),
    })),
    relationships: [...relationships].map(([type, { sources, columns, inverses }]) => ({
      type,
      sources: [...sources],
      inverses: [...inverses],
      columns: [...columns].map(([name, columnType]) => ({ name, type: columnType })),
    })),
  }
}
