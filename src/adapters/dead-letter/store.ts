/**
 * Reading and settling what the file sink wrote. The lines themselves change only when a person is erased: what became of an entry
 * stands in a journal beside the file (`<path>.done`), one JSON line per decision, the last one counts.
 */
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { StorageError } from '../../errors.ts'
import type { DeadLetterEntry, DeadLetterStatus } from '../../ports/dead-letter.ts'
import { appendLines } from './append.ts'
import { deadLetterFiles } from './file.ts'
import { lineId, parseDeadLetterLine } from './line.ts'

interface Mark {
  status: DeadLetterStatus
  reason: string | null
}

export const journalOf = (path: string): string => `${path}.done`

/** Decisions so far by entry id; empty when there is no journal. */
async function marksOf(path: string): Promise<Map<string, Mark>> {
  const marks = new Map<string, Mark>()
  let text: string
  try {
    text = await readFile(journalOf(path), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return marks
    throw unreadable(journalOf(path), error)
  }
  for (const line of text.split('\n')) {
    if (line === '') continue
    try {
      const { id, status, reason } = JSON.parse(line) as {
        id: string
        status: DeadLetterStatus
        reason?: string | null
      }
      marks.set(id, { status, reason: reason ?? null })
    } catch {
      // Half a line left by a crash: its decision did not happen.
    }
  }
  return marks
}

/**
 * Every entry of the sink, oldest first, one at a time; nothing when the file does not exist. Lines that are no failure
 * are left out. `parse` as in `parseDeadLetterLine`.
 */
export async function* readDeadLetters(
  path: string,
  options: { status?: DeadLetterStatus; parse?: (text: string) => unknown } = {},
): AsyncGenerator<DeadLetterEntry> {
  const marks = await marksOf(path)
  for (const file of await deadLetterFiles(path)) {
    try {
      for await (const line of createInterface({
        input: createReadStream(file),
        crlfDelay: Number.POSITIVE_INFINITY,
      })) {
        const failure = line === '' ? null : parseDeadLetterLine(line, options.parse)
        if (failure === null) continue
        const id = lineId(line)
        const { status, reason } = marks.get(id) ?? { status: 'open' as const, reason: null }
        if (options.status === undefined || options.status === status) yield { id, failure, status, reason }
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw unreadable(file, error)
    }
  }
}

/** Writes what became of these entries into the journal, flushed to disk. `at`: canonical instant text. */
export async function settleDeadLetters(
  path: string,
  ids: readonly string[],
  decision: { status: 'retried' | 'dropped'; reason: string | null; at: string },
): Promise<void> {
  if (ids.length === 0) return
  const lines = ids.map((id) => `${JSON.stringify({ id, ...decision })}\n`).join('')
  await appendLines(journalOf(path), Buffer.from(lines, 'utf8'))
}

function unreadable(file: string, error: unknown): Error {
  if (error instanceof StorageError) return error
  const code = (error as NodeJS.ErrnoException).code
  return code === undefined
    ? (error as Error)
    : new StorageError(`dead letters cannot be read from ${file}: ${code}`, {
        details: { operation: 'dead letter read' },
        cause: error,
      })
}
