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

/**
 * Where an object is gone when its turn comes, something newer may have taken its place: the rest of the folder is read
 * again, so that nobody sees the removal without what was written before it.
 * @param folder empty, or ends with a slash
 */
async function* below(root: string, folder: string, prefix: string, after: string): AsyncGenerator<StoredObject> {
  let paths = await entriesOf(root, folder)
  for (let at = 0; at < paths.length; at += 1) {
    const path = paths[at] as string
    if (path.endsWith('/')) {
      if (couldHold(path, prefix, after)) yield* below(root, path, prefix, after)
      continue
    }
    if (!path.startsWith(prefix) || path <= after) continue
    const object = await objectAt(root, path)
    if (object !== undefined) yield object
    else {
      paths = (await entriesOf(root, folder)).filter((other) => other > path)
      at = -1
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

/** Undefined: removed in between. */
async function objectAt(root: string, path: string): Promise<StoredObject | undefined> {
  try {
    const { size, mtime } = await lstat(join(root, path))
    return { path, size, modifiedAt: mtime }
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}
