/** The pure core alone: records to snapshots in memory, one thread, against parsing the same text. */

import type { LedgerEvent } from '../src/core/event.ts'
import { resolveBatch } from '../src/core/identity.ts'
import { instantFromDate } from '../src/core/instant.ts'
import { emptyState, fold } from '../src/core/interpret.ts'
import { normalizeBatch } from '../src/core/normalize.ts'
import { compileProgram } from '../src/core/program.ts'
import { Definitions } from '../src/index.ts'
import { asRecords, slices } from './records.ts'
import { type Measured, Stopwatch } from './result.ts'

/** Enough for a steady rate, few enough to sit in memory. */
const MOST = 100_000

export async function measureCore(definitions: string, path: string, lines: number): Promise<Measured> {
  const program = compileProgram((await Definitions.fromDirectory(definitions)).toObject())
  const wall = instantFromDate(new Date())
  if (wall === null) throw new Error('the machine clock gives no valid time')
  const parsing = new Stopwatch()
  const own = new Stopwatch()
  let events = 0
  for await (const slice of slices(path, Math.min(lines, MOST))) {
    // Once to warm up, once to count: the rate of a process that has been running for a while.
    for (const counted of [false, true]) {
      const [parseWatch, watch] = counted ? [parsing, own] : [new Stopwatch(), new Stopwatch()]
      const stored: LedgerEvent[] = []
      let number = 0
      const hinted = []
      for (const { source, lines: texts } of slice) {
        parseWatch.runNow(() => texts.forEach(parse))
        const records = asRecords(texts)
        const compiled = program.sources.get(source)
        if (compiled === undefined) throw new Error(`no source ${source}`)
        const { events: normal } = watch.runNow(() => normalizeBatch(program, compiled, records, wall))
        for (const event of normal) {
          number += 1
          stored.push({ ...event, sequence: number })
          hinted.push({ sequence: number, hints: event.hints, groups: [] })
        }
      }
      // Grouping by entity is the store's business and is left out of the time.
      let next = 0
      const { mappings } = resolveBatch(hinted, new Map(), () => `e${next++}`)
      const byEntity = new Map<string, { type: string; events: LedgerEvent[] }>()
      for (const { sequence, entityId, entityType } of mappings) {
        const entry = byEntity.get(entityId) ?? { type: entityType, events: [] }
        entry.events.push(stored[sequence - 1] as LedgerEvent)
        byEntity.set(entityId, entry)
      }
      for (const entry of byEntity.values())
        entry.events.sort((a, b) => a.timestamp.ms - b.timestamp.ms || a.sequence - b.sequence)
      watch.runNow(() => {
        for (const [id, entry] of byEntity) {
          const entity = program.entities.get(entry.type)
          if (entity !== undefined)
            fold(entity, emptyState(entry.type, id), entry.events, { targets: () => undefined, wall })
        }
      })
      if (counted) events += number
    }
    break
  }
  return {
    work: 'normalize + interpret in memory',
    unit: 'events',
    count: events,
    ours: own.cost,
    limit: parsing.cost,
    limitName: 'JSON.parse',
    target: 0.4,
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
