/** What was exported about one person (spec 05 §4.5): a folder that goes whole, and may name other people. */
import { readdir, readFile, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Purge, type Purged, SUBJECT_FILES } from '../../ports/export-purge.ts'

const OTHERS = 'an export about somebody else names the entity; remove it when it has been handed over'

/** Who it is about stands in the first file; one that was killed before it wrote that is about anybody. */
export async function purgeSubject(folder: string, { ids, dryRun }: Purge): Promise<Purged> {
  const present = await readdir(folder)
  const files = present.filter((name) => (SUBJECT_FILES as readonly string[]).includes(name))
  if (files.length === 0) return { rows: new Map(), problem: null }
  const about = await aboutWhom(folder)
  const mine = about === null ? ids[0] : ids.find((id) => about.includes(id))
  if (mine !== undefined) {
    if (dryRun !== true) {
      // The one that says whose they are goes last.
      for (const name of [...files].reverse()) await rm(join(folder, name), { force: true })
      await rmdir(folder).catch(() => undefined)
    }
    return { rows: new Map([[mine, files.length]]), problem: null }
  }
  for (const name of files) {
    const text = await readFile(join(folder, name), 'utf8')
    if (ids.some((id) => text.includes(id))) return { rows: new Map(), problem: OTHERS }
  }
  return { rows: new Map(), problem: null }
}

/** Null: it cannot be told. */
async function aboutWhom(folder: string): Promise<readonly string[] | null> {
  try {
    const head: unknown = JSON.parse(await readFile(join(folder, 'subject.json'), 'utf8'))
    const { entities } = head as { entities: readonly { id: string }[] }
    return entities.map(({ id }) => id)
  } catch {
    return null
  }
}
