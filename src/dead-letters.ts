/**
 * Dead letters for people and tools: read them, read their records again, and note what became of them (spec 07 §9). Lines
 * of a file are never changed; decisions stand in a journal beside it.
 */
import { readDeadLetters, settleDeadLetters } from './adapters/dead-letter/store.ts'
import { tableLetters } from './adapters/dead-letter/table.ts'
import { parseJson } from './core/expression/json.ts'
import { ConfigError } from './errors.ts'
import type { DeadLetterBox, DeadLetterEntry } from './ports/dead-letter.ts'
import { SourceRecord } from './records.ts'
import type { BuildResult, IngestResult } from './results.ts'

export { readDeadLetters, settleDeadLetters, tableLetters }

/** The letters of a file sink. */
export function fileLetters(path: string): DeadLetterBox {
  return {
    place: path,
    async *read({ status, source, stage } = {}) {
      for await (const entry of readDeadLetters(path, {
        ...(status === undefined ? {} : { status }),
        parse: parseJson,
      })) {
        const { failure } = entry
        if ((source === undefined || failure.source === source) && (stage === undefined || failure.stage === stage)) {
          yield entry
        }
      }
    },
    settle: (ids, decision) => settleDeadLetters(path, ids, decision),
  }
}

/** Letters of two places as one, oldest first. Only those of the second have ids that it made. */
export function bothLetters(first: DeadLetterBox, second: DeadLetterBox, isOfSecond: RegExp): DeadLetterBox {
  return {
    place: `${first.place} and ${second.place}`,
    async *read(filter) {
      await using a = first.read(filter)[Symbol.asyncIterator]() as AsyncGenerator<DeadLetterEntry>
      await using b = second.read(filter)[Symbol.asyncIterator]() as AsyncGenerator<DeadLetterEntry>
      let [left, right] = [await a.next(), await b.next()]
      while (!left.done || !right.done) {
        if (!left.done && (right.done || left.value.failure.at <= right.value.failure.at)) {
          yield left.value
          left = await a.next()
        } else if (!right.done) {
          yield right.value
          right = await b.next()
        }
      }
    },
    async settle(ids, decision) {
      const [here, there] = [ids.filter((id) => !isOfSecond.test(id)), ids.filter((id) => isOfSecond.test(id))]
      if (here.length > 0) await first.settle(here, decision)
      if (there.length > 0) await second.settle(there, decision)
    },
  }
}

/** Only a record that never reached the ledger can be read again; other failures are mended by a build. */
function isReadable({ failure }: DeadLetterEntry): boolean {
  return (
    failure.stage === 'normalization' &&
    failure.sequence === null &&
    typeof failure.raw === 'object' &&
    failure.raw !== null
  )
}

/**
 * Hands the records of open entries to `load`, source by source, and settles each entry whose record was taken. A record
 * that fails again is a new dead letter (the engine sends it), so the old entry is settled either way and nothing counts
 * twice. `chosen`: ids to take; null takes all. Returns how many entries are not fit to be read again.
 */
export async function reprocessEntries(
  letters: DeadLetterBox,
  chosen: ReadonlySet<string> | null,
  load: (source: string, records: AsyncGenerator<SourceRecord>) => Promise<void>,
): Promise<{ skipped: number; sources: string[] }> {
  const bySource = new Map<string, Set<string>>()
  let skipped = 0
  for await (const entry of letters.read({ status: 'open' })) {
    if (chosen !== null && !chosen.has(entry.id)) continue
    if (!isReadable(entry)) {
      skipped += 1
      continue
    }
    const { source } = entry.failure
    bySource.set(source, (bySource.get(source) ?? new Set()).add(entry.id))
  }
  for (const [source, ids] of bySource) {
    const read: string[] = []
    await load(source, recordsOf(letters, ids, read))
    await letters.settle(read, { status: 'retried', reason: null, at: new Date().toISOString() })
  }
  return { skipped, sources: [...bySource.keys()] }
}

/** New failures are appended to what is being read: the ids were fixed before, so the loop ends. */
async function* recordsOf(
  letters: DeadLetterBox,
  ids: ReadonlySet<string>,
  read: string[],
): AsyncGenerator<SourceRecord> {
  const open = new Set(ids)
  for await (const { id, failure } of letters.read({ status: 'open' })) {
    if (!open.delete(id)) continue
    read.push(id)
    yield new SourceRecord({ value: failure.raw, ...(failure.origin === null ? {} : { origin: failure.origin }) })
    if (open.size === 0) return
  }
}

/** One result of several ingest calls, with the build after them. */
export function totalOf(results: readonly IngestResult[], buildResult: BuildResult | null): IngestResult {
  const sum = (name: 'eventsIngested' | 'eventsFailed' | 'duplicatesSkipped' | 'eventsUnresolved') =>
    results.reduce((total, result) => total + result[name], 0)
  return {
    eventsIngested: sum('eventsIngested'),
    eventsFailed: sum('eventsFailed'),
    duplicatesSkipped: sum('duplicatesSkipped'),
    eventsUnresolved: sum('eventsUnresolved'),
    duplicateIds: results.flatMap((result) => result.duplicateIds),
    failures: results.flatMap((result) => result.failures),
    buildResult,
    timing: { total_ms: results.reduce((total, { timing }) => total + (timing['total_ms'] ?? 0), 0) },
  }
}

/** Reads the records of open letters again (`Defacto.reprocessDeadLetters`); `own`: those of the engine's own sink. */
export async function reprocessLetters(
  own: DeadLetterBox | null,
  { from, process }: { from?: string; process?: boolean },
  engine: {
    ingest(source: string, records: Parameters<Parameters<typeof reprocessEntries>[2]>[1]): Promise<IngestResult>
    build(): Promise<BuildResult>
  },
): Promise<IngestResult> {
  const letters = from === undefined ? own : fileLetters(from)
  if (letters === null) {
    throw new ConfigError(
      "name the dead letter file in 'from': this engine keeps them neither in a file nor in a table",
    )
  }
  const results: IngestResult[] = []
  await reprocessEntries(letters, null, async (source, records) => {
    results.push(await engine.ingest(source, records))
  })
  return totalOf(results, process ? await engine.build() : null)
}
