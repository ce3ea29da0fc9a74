/** Deliveries into files, with back-pressure, and the manifest of what they hold. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SourceName } from './records.ts'
import { deliveries, PERIOD_END, PERIOD_START } from './stream.ts'

export interface PartInfo {
  readonly file: string
  readonly source: SourceName
  /** `2024-01`, or null when files are not split by month. */
  readonly month: string | null
  lines: number
  duplicates: number
  malformed: Record<string, number>
  sha256: string
}

export interface Manifest {
  readonly seed: number
  readonly events: number
  /** The clock to read the data with: nothing in it is dated or delivered later, but for clocks that are wrong. */
  readonly clock: string
  readonly from: string
  lines: number
  duplicates: number
  malformed: number
  parts: PartInfo[]
}

export interface SampleOptions {
  events: number
  seed: number
  out: string
  monthly: boolean
}

interface OpenPart {
  readonly info: PartInfo
  readonly stream: WriteStream
  readonly hash: ReturnType<typeof createHash>
}

/** Writes the files and `manifest.json` into `out`, which is made if missing. */
export async function writeSample(options: SampleOptions): Promise<Manifest> {
  const { events, seed, out, monthly } = options
  await mkdir(out, { recursive: true })
  const open = new Map<string, OpenPart>()
  const manifest: Manifest = {
    seed,
    events,
    clock: new Date(PERIOD_END).toISOString(),
    from: new Date(PERIOD_START).toISOString(),
    lines: 0,
    duplicates: 0,
    malformed: 0,
    parts: [],
  }
  for (const delivery of deliveries({ events, seed })) {
    const month = monthly ? new Date(delivery.at).toISOString().slice(0, 7) : null
    const file = month === null ? `${delivery.source}.ndjson` : `${delivery.source}-${month}.ndjson`
    let part = open.get(file)
    if (part === undefined) {
      const info = { file, source: delivery.source, month, lines: 0, duplicates: 0, malformed: {}, sha256: '' }
      part = { info, stream: createWriteStream(join(out, file)), hash: createHash('sha256') }
      open.set(file, part)
      manifest.parts.push(info)
    }
    const text = `${delivery.line}\n`
    part.hash.update(text)
    part.info.lines += 1
    manifest.lines += 1
    if (delivery.fault === 'duplicate') {
      part.info.duplicates += 1
      manifest.duplicates += 1
    } else if (delivery.fault !== null) {
      part.info.malformed[delivery.fault] = (part.info.malformed[delivery.fault] ?? 0) + 1
      manifest.malformed += 1
    }
    if (!part.stream.write(text)) await once(part.stream, 'drain')
  }
  for (const part of open.values()) {
    part.stream.end()
    await once(part.stream, 'finish')
    part.info.sha256 = part.hash.digest('hex')
  }
  manifest.parts.sort((a, b) => (a.file < b.file ? -1 : 1))
  await writeFile(join(out, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  return manifest
}
