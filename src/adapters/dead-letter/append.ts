/**
 * Appending to a file that somebody may be rewriting (spec 05 §4.2 no. 14). Who rewrites puts a new file under the name and
 * then takes over what came to the old one meanwhile (`rewrite.ts`); who appended looks afterwards whether its file is still
 * one of those that are read, and if not, appends again. So a line may come twice, which is one failure, but never be lost.
 */
import { type FileHandle, mkdir, open, readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** Names of files that were replaced, and are read no more: `<file>.purge-<bytes taken over>`. */
const REPLACED = '.purge-'

export function replacedName(file: string, taken: number): string {
  return `${file}${REPLACED}${taken}`
}

/** Files that were replaced by a process that died before it took over the rest: their names, and from where on. */
export async function replacedFiles(file: string): Promise<{ path: string; taken: number }[]> {
  const prefix = `${basename(file)}${REPLACED}`
  const names = await readdir(dirname(file)).catch(() => [])
  return names
    .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
    .map((name) => ({ path: join(dirname(file), name), taken: Number(name.slice(prefix.length)) }))
}

/** Appends whole lines, on disk when it resolves. `prepare` runs before each try. */
export async function appendLines(path: string, lines: Buffer, prepare?: () => Promise<void>): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  for (;;) {
    await prepare?.()
    const file = await open(path, 'a+', 0o600)
    try {
      const torn = !(await endsWithBreak(file))
      await file.appendFile(torn ? Buffer.concat([Buffer.from('\n'), lines]) : lines)
      await file.datasync()
      if (await isRead(path, file)) return
    } finally {
      await file.close()
    }
  }
}

/** Whether the open file is the one under the name, or was set aside under another that is read. */
async function isRead(path: string, file: FileHandle): Promise<boolean> {
  const mine = await file.stat({ bigint: true })
  const isMine = async (name: string): Promise<boolean> => {
    const found = await stat(name, { bigint: true }).catch(() => null)
    return found !== null && found.ino === mine.ino && found.dev === mine.dev
  }
  if (await isMine(path)) return true
  if (mine.nlink === 0n) return false
  for (const name of await readdir(dirname(path)).catch(() => [])) {
    if (isSegment(path, name) && (await isMine(join(dirname(path), name)))) return true
  }
  return false
}

/** Whether a name in the folder of `path` is that of a file that was set aside: `<path>.<time>-<process>`. */
export function isSegment(path: string, name: string): boolean {
  const prefix = `${basename(path)}.`
  return name.startsWith(prefix) && /^\d{13,}-\d+$/.test(name.slice(prefix.length))
}

/** A crash in the middle of a write leaves half a line; the next one must not be glued to it. */
async function endsWithBreak(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat()
  if (size === 0) return true
  const { buffer, bytesRead } = await file.read(Buffer.alloc(1), 0, 1, size - 1)
  return bytesRead === 1 && buffer[0] === 0x0a
}
