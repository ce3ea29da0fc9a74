/**
 * Files of lines rewritten whole while others append to them (spec 05 §4.2 no. 14), any of which may die at any instant:
 *
 * 1. what is there is copied, line by line, to a file beside; synced
 * 2. the old file gets a second name that says how much of it was copied
 * 3. the new one takes the name of the old one
 * 4. what came to the old one meanwhile is appended; who appends later notices by itself (`append.ts`)
 * 5. the second name goes, and with it the old file
 *
 * After a death before 3 nothing has happened; after it the second name is left, and whoever comes next does 4 and 5.
 */
import { type FileHandle, link, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { appendLines, replacedFiles, replacedName } from './append.ts'

/** What becomes of a line: itself, another one, or null: it goes. `asking`: it is only a question, and asked again. */
export type Change = (line: string, asking?: true) => string | null

export interface RewriteCall {
  readonly signal?: AbortSignal
  /** Told where it is, for tests of what happens there. */
  readonly at?: (step: 'copied' | 'linked' | 'replaced') => Promise<void> | void
}

const PIECE = 1 << 20
const BREAK = 0x0a

/** Returns how many lines changed. A file that is not there has none. */
export async function rewriteLines(path: string, change: Change, call: RewriteCall = {}): Promise<number> {
  await rm(partOf(path), { force: true })
  let changed = await takeOver(path, change)
  for (;;) {
    call.signal?.throwIfAborted()
    const done = await replace(path, change, call)
    // Set aside by its sink at this very moment: another file has the name now.
    if (done === null) continue
    changed += done
    return changed
  }
}

/** Whether a file, or what was left of one, has a line that would change; how many. */
export async function countChanges(path: string, change: Change): Promise<number> {
  let count = 0
  const counting = (line: string): void => {
    if (change(line) !== line) count += 1
  }
  for (const { path: left } of await replacedFiles(path)) await eachLine(left, 0, counting)
  await eachLine(partOf(path), 0, counting)
  await eachLine(path, 0, counting)
  return count
}

/** Rewriters of one sink never meet (`purge.ts`); what a dead one left is cleared by the next. */
function partOf(path: string): string {
  return `${path}.purge-part`
}

async function replace(path: string, change: Change, { signal, at }: RewriteCall): Promise<number | null> {
  const old = await open(path, 'r').catch(ifMissing)
  if (old === null) return 0
  const part = partOf(path)
  try {
    const { mode, ino } = await old.stat({ bigint: true })
    const { changed, touched, end } = await copy(old, part, Number(mode & 0o777n), change, signal)
    if (!touched) return 0
    await at?.('copied')
    const second = replacedName(path, end)
    await link(path, second).catch(ifMissing)
    const linked = await stat(second, { bigint: true }).catch(ifMissing)
    if (linked === null || linked.ino !== ino) {
      await rm(second, { force: true })
      return null
    }
    await at?.('linked')
    await rename(part, path)
    await syncFolder(dirname(path))
    await at?.('replaced')
    return changed + (await takeOver(path, change))
  } finally {
    await rm(part, { force: true })
    await old.close()
  }
}

/** Steps 4 and 5, of this process or one that died; how many lines changed. */
async function takeOver(path: string, change: Change): Promise<number> {
  let changed = 0
  for (const { path: second, taken } of await replacedFiles(path)) {
    const [before, now] = await Promise.all([second, path].map((name) => stat(name, { bigint: true }).catch(ifMissing)))
    // It was not replaced yet: the second name is all there is of the attempt.
    if (before?.ino !== now?.ino) {
      const lines: string[] = []
      await eachLine(second, taken, (line) => {
        const kept = change(line)
        if (kept !== line) changed += 1
        if (kept !== null) lines.push(kept)
      })
      if (lines.length > 0) await appendLines(path, Buffer.from(`${lines.join('\n')}\n`, 'utf8'))
    }
    await rm(second, { force: true })
    await syncFolder(dirname(path))
  }
  return changed
}

/**
 * Copies whole lines; `end`: how many bytes of the old file they were. Half a line, still being written or left by a crash,
 * belongs to what comes later.
 */
async function copy(
  old: FileHandle,
  part: string,
  mode: number,
  change: Change,
  signal: AbortSignal | undefined,
): Promise<{ changed: number; touched: boolean; end: number }> {
  await rm(part, { force: true })
  await using file = await open(part, 'wx', mode)
  let changed = 0
  let waiting: string[] = []
  let size = 0
  const flush = async (): Promise<void> => {
    if (waiting.length > 0) await file.appendFile(`${waiting.join('\n')}\n`)
    waiting = []
    size = 0
  }
  let end = 0
  let half = false
  for await (const { lines, position, complete } of linesOf(old, 0)) {
    signal?.throwIfAborted()
    if (!complete) {
      half = lines.some((line) => change(line, true) !== line)
      break
    }
    end = position
    for (const line of lines) {
      const kept = change(line)
      if (kept !== line) changed += 1
      if (kept === null) continue
      waiting.push(kept)
      size += kept.length
    }
    if (size >= PIECE) await flush()
  }
  await flush()
  await file.sync()
  return { changed, touched: half || changed > 0, end }
}

async function eachLine(path: string, from: number, see: (line: string) => void): Promise<void> {
  const file = await open(path, 'r').catch(ifMissing)
  if (file === null) return
  try {
    for await (const { lines } of linesOf(file, from)) for (const line of lines) see(line)
  } finally {
    await file.close()
  }
}

/** Lines from a byte on, those of a piece at a time; what stands behind the last break comes last, as not complete. */
async function* linesOf(
  file: FileHandle,
  from: number,
): AsyncGenerator<{ lines: readonly string[]; position: number; complete: boolean }> {
  let rest = Buffer.alloc(0)
  let position = from
  for (let at = from; ; ) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(PIECE), 0, PIECE, at)
    if (bytesRead === 0) break
    at += bytesRead
    const bytes = Buffer.concat([rest, buffer.subarray(0, bytesRead)])
    const last = bytes.lastIndexOf(BREAK)
    rest = bytes.subarray(last + 1)
    if (last < 0) continue
    position += last + 1
    yield { lines: bytes.toString('utf8', 0, last).split('\n'), position, complete: true }
  }
  if (rest.length > 0) yield { lines: [rest.toString('utf8')], position: position + rest.length, complete: false }
}

async function syncFolder(folder: string): Promise<void> {
  // Folders cannot be opened on every system; there the name is as durable as the system makes it.
  const handle = await open(folder, 'r').catch(() => null)
  await handle?.sync().catch(() => undefined)
  await handle?.close()
}

function ifMissing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null
  throw error
}
