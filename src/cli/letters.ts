/** Where the project's dead letters are: in a file, or in the space's database (spec 07 §9). */
import type { DeadLetterBox } from '../ports/dead-letter.ts'
import type { Context } from './context.ts'

/** Letters of the database, by the name it gives them. */
const OF_TABLE = /^l_/

/**
 * Those of the project's sink and those that runs left in the database, as inputs say in `on_error` (spec 10 §3.3). Null:
 * they go where nobody here can read them. Letters in the database open the space.
 */
export async function lettersOf(context: Context): Promise<DeadLetterBox | null> {
  const project = await context.project()
  const path = project.deadLetterPath
  const { bothLetters, fileLetters, tableLetters } = await import('../dead-letters.ts')
  const file = path === null ? null : fileLetters(path)
  const isTable = project.value('deadLetter', 'type') === 'table'
  if (!isTable && !(await context.hasDatabase())) return file
  const { log, location } = (await context.openToRead()).operations()
  const table = tableLetters(log.letters, location)
  if (isTable) return table
  const hasAny = (await Promise.all(STATUSES.map((status) => log.letters.count(status)))).some(
    ({ length }) => length > 0,
  )
  if (!hasAny) return file
  return file === null ? table : bothLetters(file, table, OF_TABLE)
}

const STATUSES = ['open', 'retried', 'dropped'] as const
