/** Folders on the way to a file. */
import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Like `mkdir` with `recursive`, step by step from the last folder that exists: the recursive form never returns on file
 * systems that refuse folders with ENOENT (`/proc`).
 */
export async function makeFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => null)
  if (found?.isDirectory()) return
  if (found === null && dirname(folder) !== folder) await makeFolder(dirname(folder))
  await mkdir(folder).catch((error: NodeJS.ErrnoException) => {
    // Somebody else was faster.
    if (error.code !== 'EEXIST' || found !== null) throw error
  })
}
