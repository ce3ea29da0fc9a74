/** Where the project's dead letters are: in a file, or in the space's database (spec 07 §9). */
import type { DeadLetterBox } from '../ports/dead-letter.ts'
import type { Context } from './context.ts'

/** Null: they go where nobody here can read them. Letters in the database open the space. */
export async function lettersOf(context: Context): Promise<DeadLetterBox | null> {
  const project = await context.project()
  const path = project.deadLetterPath
  if (path === null && project.value('deadLetter', 'type') !== 'table') return null
  const { fileLetters, tableLetters } = await import('../dead-letters.ts')
  if (path !== null) return fileLetters(path)
  const { log, location } = (await context.openToRead()).operations()
  return tableLetters(log.letters, location)
}
