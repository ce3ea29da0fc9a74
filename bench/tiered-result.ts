/** What the cold tier costs beside the bare work, how much memory each of its works takes, and what a read fetches. */
import { align, HEAD, machineText, mebibytes, number, row } from './print.ts'
import type { Cost, Measured } from './result.ts'

/** Requests to the object storage, and what they brought. */
export interface Fetched {
  readonly ms: number
  readonly requests: number
  readonly bytes: number
}

/** Replaying one entity whose events are all in the archive. */
export interface EntityRead {
  readonly events: number
  /** Row groups that hold its events, and those there are. */
  readonly groups: number
  readonly allGroups: number
  /** Nothing is known of the archive; then the same entity again. */
  readonly cold: Fetched
  readonly warm: Fetched
}

export interface Bytes {
  /** Of the archive's data files. */
  readonly archive: number
  /** Of the ledger's table and its indexes. */
  readonly ledger: number
  /** Of the same for the ids, which stay when rows have left the ledger. */
  readonly ids: number
}

export interface TieredMeasured extends Measured {
  /** Peak resident memory of the process that did this and nothing else, bytes. */
  readonly peakRss: number
}

export interface TieredResult {
  readonly store: string
  readonly events: number
  readonly results: readonly TieredMeasured[]
  /** Of `flush`'s limit. */
  readonly pieces: Readonly<Record<string, Cost>>
  readonly entity: EntityRead
  readonly bytes: Bytes
  /** Processes that wanted a processor, on average over a minute, at the begin and at the end. */
  readonly load: readonly number[]
}

export function tieredText({ store, events, results, pieces, entity, bytes, load }: TieredResult): string {
  const lines = results.map((one) => {
    const cells = row(one)
    return [...cells.slice(0, -1), mebibytes(one.peakRss), cells.at(-1) ?? '']
  })
  const each = (sum: number): string => `${(sum / events).toFixed(0)} bytes`
  return [
    '',
    `${store}: ${number(events)} events, load ${load.map((value) => value.toFixed(1)).join(' to ')}`,
    ...align([[...HEAD.slice(0, -1), 'peak memory', ''], ...lines]),
    `bare flush, milliseconds by the clock: ${Object.entries(pieces)
      .map(([name, { ms }]) => `${name} ${number(ms)}`)
      .join(', ')}`,
    `one entity, ${entity.events} events in ${entity.groups} of ${entity.allGroups} row groups: cold ${fetched(entity.cold)}; warm ${fetched(entity.warm)}`,
    `an event takes ${each(bytes.archive)} in the archive, ${each(bytes.ledger)} in the ledger's table and indexes, and its id keeps ${each(bytes.ids)} there`,
    '',
  ].join('\n')
}

function fetched({ ms, requests, bytes }: Fetched): string {
  return `${ms.toFixed(0)} ms, ${requests} requests, ${number(bytes / 1024)} KiB`
}

/** Time and memory of each work at each size against the size before: memory that is flat stays at 1.0. */
export function tieredGrowthText(sizes: readonly TieredResult[]): string {
  const lines = [machineText()]
  for (let i = 1; i < sizes.length; i++) {
    const [small, large] = [sizes[i - 1] as TieredResult, sizes[i] as TieredResult]
    lines.push(
      '',
      `Growth from ${number(small.events)} to ${number(large.events)} events (${(large.events / small.events).toFixed(1)}×)`,
    )
    const rows = large.results.flatMap((now): string[][] => {
      const before = small.results.find((one) => one.work === now.work)
      if (before === undefined) return []
      const perUnit = now.ours.cpu / now.count / (before.ours.cpu / before.count)
      return [
        [
          now.work,
          `${(now.ours.ms / before.ours.ms).toFixed(1)}× time`,
          `${perUnit.toFixed(2)}× processor time per unit`,
          `peak memory ${mebibytes(before.peakRss)} → ${mebibytes(now.peakRss)}`,
        ],
      ]
    })
    lines.push(...align(rows))
  }
  return `${lines.join('\n')}\n`
}
