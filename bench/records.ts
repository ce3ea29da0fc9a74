/** The benchmark's records in slices, so that no size needs them all in memory. */
import { execFileSync } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { SourceRecord } from '../src/index.ts'

export interface SourceLines {
  readonly source: string
  readonly lines: string[]
}

/** Makes the file; `lines` counts everything, repeats and malformed lines included. */
export function generateRecords(path: string, lines: number, seed: number): void {
  execFileSync(process.execPath, [join(import.meta.dirname, 'generate.ts'), String(lines), String(seed), path])
}

/** Slices of about `size` lines in order of arrival, grouped by source. */
export async function* slices(path: string, size: number): AsyncGenerator<SourceLines[]> {
  let groups = new Map<string, string[]>()
  let taken = 0
  for await (const line of createInterface({ input: createReadStream(path, { highWaterMark: 1 << 20 }) })) {
    const tab = line.indexOf('\t')
    const source = line.slice(0, tab)
    const group = groups.get(source)
    if (group === undefined) groups.set(source, [line.slice(tab + 1)])
    else group.push(line.slice(tab + 1))
    taken += 1
    if (taken < size) continue
    yield asList(groups)
    groups = new Map()
    taken = 0
  }
  if (taken > 0) yield asList(groups)
}

function asList(groups: ReadonlyMap<string, string[]>): SourceLines[] {
  return [...groups].map(([source, lines]) => ({ source, lines })).sort((a, b) => (a.source < b.source ? -1 : 1))
}

/** Lines as records: parsed, with their text; a line that is no JSON is a record with a problem. */
export function asRecords(lines: readonly string[]): SourceRecord[] {
  return lines.map((text) => {
    try {
      return new SourceRecord({ value: JSON.parse(text), text })
    } catch {
      return new SourceRecord({ value: undefined, text, problem: 'record is not valid JSON' })
    }
  })
}
