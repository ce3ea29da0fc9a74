/**
 * A person in the files of the sink (spec 05 §4.2 no. 14, §5.4): lines go, or their records are treated, in the file itself,
 * in those set aside and in the journal of decisions.
 */
import { randomUUID } from 'node:crypto'
import { link, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { parseJson } from '../../core/expression/json.ts'
import { type Concerned, GONE, letterJudge } from '../../core/privacy/letters.ts'
import { mentionsIn } from '../../core/privacy/raw-text.ts'
import { StorageError } from '../../errors.ts'
import type { ErasureTarget, FrozenSubject, TargetCall, TargetOutcome } from '../../ports/erasure.ts'
import { deadLetterFiles } from './file.ts'
import { deadLetterLine, lineId, parseDeadLetterLine } from './line.ts'
import { type Change, countChanges, type RewriteCall, rewriteLines } from './rewrite.ts'
import { journalOf, readDeadLetters, settleDeadLetters } from './store.ts'

/** Who is rewriting, so that nobody does at the same time. */
export interface Rewriter {
  readonly name: string
  isGone(name: string): boolean
}

export class DeadLetterFileTarget implements ErasureTarget {
  readonly name = 'dead_letter_file'
  readonly #path: string
  readonly #rewriter: Rewriter
  readonly #at: RewriteCall['at']

  constructor(path: string, rewriter: Rewriter, at?: RewriteCall['at']) {
    this.#path = path
    this.#rewriter = rewriter
    this.#at = at
  }

  async plan(subject: FrozenSubject): Promise<number> {
    return this.#count(subject)
  }

  /** All subjects in one pass over each file. */
  async erase(subjects: readonly FrozenSubject[], call: TargetCall): Promise<readonly TargetOutcome[]> {
    const items = subjects.map(() => 0)
    const rewrite: RewriteCall = {
      ...(call.signal && { signal: call.signal }),
      ...(this.#at && { at: this.#at }),
    }
    await this.#guarded(() =>
      withLock(`${this.#path}.purge-lock`, this.#rewriter, async () => {
        const changes = subjects.map(changeOf)
        await this.#carryDecisions(together(changes))
        const change = together(changes, (i) => {
          items[i] = (items[i] ?? 0) + 1
        })
        const done = new Set<string>()
        // A file may be set aside meanwhile; the last one is the one that is appended to.
        for (let files = await deadLetterFiles(this.#path); files.some((file) => !done.has(file)); ) {
          for (const [i, file] of files.entries()) {
            if (done.has(file)) continue
            await rewriteLines(file, change, rewrite)
            done.add(file)
            call.progress?.(i + 1, files.length)
          }
          files = await deadLetterFiles(this.#path)
        }
        await this.#dropOrphans(rewrite)
      }),
    )
    return subjects.map(({ treat }, i) => ({ action: treat === null ? 'deleted' : 'scrubbed', items: items[i] ?? 0 }))
  }

  async verify(subject: FrozenSubject): Promise<{ remaining: number; method: 'scan' }> {
    return { remaining: await this.#count(subject), method: 'scan' }
  }

  async #count(subject: FrozenSubject): Promise<number> {
    const change = changeOf(subject)
    return this.#guarded(async () => {
      let count = 0
      for (const file of await deadLetterFiles(this.#path)) count += await countChanges(file, change)
      return count
    })
  }

  /** A treated line has another id; what was decided about it stays decided. */
  async #carryDecisions(change: Change): Promise<void> {
    if ((await stat(journalOf(this.#path)).catch(() => null)) === null) return
    for (const status of ['retried', 'dropped'] as const) {
      for await (const { failure, reason } of readDeadLetters(this.#path, { status, parse: parseJson })) {
        const line = deadLetterLine(failure)
        const kept = change(line)
        if (kept === null || kept === line) continue
        await settleDeadLetters(this.#path, [lineId(kept)], { status, reason, at: failure.at })
      }
    }
  }

  /** Decisions about lines that are gone go, too: people may have written anything into their reasons. */
  async #dropOrphans(call: RewriteCall): Promise<void> {
    const journal = journalOf(this.#path)
    if ((await stat(journal).catch(() => null)) === null) return
    const ids = new Set<string>()
    for await (const { id } of readDeadLetters(this.#path, { parse: parseJson })) ids.add(id)
    await rewriteLines(
      journal,
      (line) => {
        if (line === '') return line
        try {
          return ids.has((JSON.parse(line) as { id: string }).id) ? line : null
        } catch {
          return null
        }
      },
      call,
    )
  }

  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (error instanceof StorageError || code === undefined || !/^E[A-Z]+$/.test(code)) throw error
      throw new StorageError(`dead letters in ${this.#path} cannot be changed: ${code}`, {
        details: { operation: 'dead letter rewrite' },
        recoverable: true,
        cause: error,
      })
    }
  }
}

function changeOf(subject: Concerned): Change {
  const judge = letterJudge(subject)
  return (line) => {
    if (line === '') return line
    const failure = parseDeadLetterLine(line, parseJson)
    if (failure === null) return mentionsIn(subject, line) ? null : line
    const judged = judge(failure)
    if (judged === GONE) return null
    return judged === failure.raw ? line : deadLetterLine({ ...failure, raw: judged })
  }
}

/** One change after the other; `told` of each that changes the line. */
function together(changes: readonly Change[], told?: (index: number) => void): Change {
  return (line, asking) => {
    let now: string = line
    for (const [i, change] of changes.entries()) {
      const kept = change(now)
      if (kept !== now && asking !== true) told?.(i)
      if (kept === null) return null
      now = kept
    }
    return now
  }
}

/** One rewriter at a time; one that died left its name. */
async function withLock<T>(lock: string, rewriter: Rewriter, work: () => Promise<T>): Promise<T> {
  const mine = `${lock}.${randomUUID()}`
  try {
    await writeFile(mine, rewriter.name, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    // No folder: no files either.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return work()
    throw error
  }
  try {
    // Under its name it appears with what is in it.
    while (!(await linked(mine, lock))) await removeIfGone(lock, rewriter)
  } finally {
    await rm(mine, { force: true })
  }
  try {
    return await work()
  } finally {
    await rm(lock, { force: true })
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function removeIfGone(lock: string, rewriter: Rewriter): Promise<void> {
  const holder = await readFile(lock, 'utf8').catch(() => null)
  if (holder === null) return
  if (!rewriter.isGone(holder)) {
    throw new StorageError('dead letters are being rewritten by another process; try again when it is done', {
      details: { operation: 'dead letter rewrite' },
      recoverable: true,
    })
  }
  // Who is faster takes it, and nobody the one that a third one has made since.
  const taken = `${lock}.${randomUUID()}`
  await rename(lock, taken).catch(() => undefined)
  if ((await readFile(taken, 'utf8').catch(() => holder)) !== holder) await linked(taken, lock)
  await rm(taken, { force: true })
}
