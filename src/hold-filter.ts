/** Filters of holds (spec 10 §10.1): conditions of queries on the current rows of entities. */
import type { Edition } from './engine/engine.ts'
import type { HoldFilter } from './engine/privacy/context.ts'
import type { Store } from './ports/store.ts'
import { createQueryRoot } from './query/root.ts'
import type { TableQuery } from './query/table-query.ts'
import type { WhereObject } from './query/where.ts'

/** Parameters of one statement. */
const IDS = 500

type AnyRow = Record<string, unknown>

/** On the rows of the version that `working` names. */
export function holdFilter(store: Store, working: () => Edition): HoldFilter {
  const tableOf = (entityType: string): TableQuery<AnyRow> => {
    const { version, program } = working()
    return createQueryRoot(store.reader, program, version).table(entityType) as unknown as TableQuery<AnyRow>
  }
  const idsIn = async (query: TableQuery<AnyRow>, id: string): Promise<string[]> =>
    (await query.select(id).rows()).map((row) => row[id] as string)
  return {
    async check(entityType, filter) {
      await tableOf(entityType)
        .filter(filter as WhereObject<AnyRow>)
        .limit(1)
        .rows()
    },
    async evaluate(entityType, filter, ids) {
      const id = `${entityType}_id`
      const met = new Set<string>()
      const absent: string[] = []
      for (let from = 0; from < ids.length; from += IDS) {
        const some = ids.slice(from, from + IDS)
        const rows = tableOf(entityType).filter({ [id]: { in: some } } as WhereObject<AnyRow>)
        for (const found of await idsIn(rows.filter(filter as WhereObject<AnyRow>), id)) met.add(found)
        const present = new Set(await idsIn(rows, id))
        absent.push(...some.filter((one) => !present.has(one)))
      }
      return { met, absent }
    },
  }
}
