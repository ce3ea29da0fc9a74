/** Objects of a folder in order of their paths, of which only the folders that can hold one are read. */
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { StoredObject } from '../../ports/objects.ts'
import { isMissing } from './folder-errors.ts'
import { isPath } from './paths.ts'

/** @param after only paths behind this one */
export async function* listFolder(root: string, prefix: string, after: string): AsyncGenerator<StoredObject> {
  yield* below(root, prefix.slice(0, prefix.lastIndexOf('/') + 1), prefix, after)
}

/** @param folder empty, or ends with a slash */
async function* below(root: string, folder: string, prefix: string, after: string): AsyncGenerator<StoredObject> {
  for (const path of await entriesOf(root, folder)) {
    const isFolder = path.endsWith('/')
    if (isFolder ? couldHold(path, prefix, after) : path.startsWith(prefix) && path > after) {
      if (isFolder) yield* below(root, path, prefix, after)
      else yield* objectAt(root, path)
    }
  }
}

/** Paths, those of folders with a slash at the end: so their order is that of all the paths in them. */
async function entriesOf(root: string, folder: string): Promise<string[]> {
  try {
    const entries = await readdir(join(root, folder), { withFileTypes: true })
    return entries
      .filter((entry) => isPath(entry.name) && (entry.isFile() || entry.isDirectory()))
      .map((entry) => `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`)
      .sort((a, b) => (a < b ? -1 : 1))
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

function couldHold(folder: string, prefix: string, after: string): boolean {
  const fits = folder.startsWith(prefix) || prefix.startsWith(folder)
  return fits && (folder > after || after.startsWith(folder))
}

async function* objectAt(root: string, path: string): AsyncGenerator<StoredObject> {
  try {
    const { size, mtime } = await lstat(join(root, path))
    yield { path, size, modifiedAt: mtime }
  } catch (error) {
    // Removed in between.
    if (!isMissing(error)) throw error
  }
}
