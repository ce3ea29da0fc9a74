/** What a space's history says, without the ids, which are random: equal histories have equal digests. */
import { createHash } from 'node:crypto'
import pg from 'pg'

type Row = Record<string, string | null>

/**
 * Of the active version. Rows of entities that were merged into others are left out: which id stays is a matter of the
 * ids' order.
 */
export async function historyDigest(url: string, space: string): Promise<{ digest: string; rows: number }> {
  const types = { getTypeParser: () => (text: string) => text } as unknown as typeof pg.types
  const client = new pg.Client({ connectionString: url, types })
  await client.connect()
  try {
    const read = async (sql: string): Promise<Row[]> => (await client.query<Row>(sql)).rows
    const [active] = await read(`select version from "${space}".definition_versions where active`)
    const schema = `${space}_${active?.['version']}`
    const tables = (
      await read(
        `select relname as name from pg_class where relnamespace = to_regnamespace('"${schema}"') and relkind = 'r'`,
      )
    ).map(({ name }) => name as string)
    const names = new Map<string, string>()
    let count = 0
    for (const table of tables.filter((name) => name.endsWith('_history'))) {
      const id = `${table.slice(0, -'_history'.length)}_id`
      const histories = new Map<string, string[]>()
      for (const row of await read(
        `select * from "${schema}"."${table}" where merged_into is null order by valid_from`,
      )) {
        const entity = row[id] as string
        const history = histories.get(entity) ?? []
        history.push(textOf(table, row, [id]))
        histories.set(entity, history)
        count += 1
      }
      for (const [entity, history] of histories) names.set(entity, digestOf(history))
    }
    const edges: string[] = []
    for (const table of tables.filter((name) => name.endsWith('~edges'))) {
      for (const row of await read(`select * from "${schema}"."${table}"`)) {
        const ends = [row['source_id'], row['target_id']].map((id) => names.get(id as string) ?? 'nobody')
        edges.push(`${ends.join(' ')} ${textOf(table, row, ['source_id', 'target_id'])}`)
      }
    }
    return { digest: digestOf([...names.values(), ...edges].sort()), rows: count + edges.length }
  } finally {
    await client.end()
  }
}

/** Columns that begin with `_` say when a row was written, not what it says. */
function textOf(table: string, row: Row, ids: readonly string[]): string {
  const fields = Object.entries(row).filter(([name]) => !name.startsWith('_') && !ids.includes(name))
  return `${table} ${JSON.stringify(fields.sort())}`
}

function digestOf(texts: readonly string[]): string {
  const hash = createHash('sha256')
  for (const text of texts) hash.update(text).update('\n')
  return hash.digest('hex')
}
