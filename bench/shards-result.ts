/** What several processes on one ledger cost beside one. */
import { align, number, percent, rate } from './print.ts'

/** How one division of the entities built everything; times in milliseconds. */
export interface Division {
  readonly shards: number
  /** From the first to the last build, by the clock, without taking records in. */
  readonly ms: number
  /** Processor time of the processes that built. */
  readonly processes: number
  /** Processor time of the server meanwhile. */
  readonly server: number
  /** Of all building, by the clock and over all processes: what only one of them can do at a time. */
  readonly shared: Readonly<Record<string, number>>
  readonly building: number
}

export interface ShardsResult {
  readonly events: number
  readonly one: Division
  readonly many: Division
  /** Whether both made the same history; ids are random and do not count. */
  readonly equal: boolean
  readonly rows: number
}

/** Processor time per event of many processes, as a multiple of that of one. */
const TARGET = 1.2

export function shardsText({ events, one, many, equal, rows }: ShardsResult): string {
  const perEvent = (ms: number): string => `${((ms * 1000) / events).toFixed(0)} µs`
  const line = ({ shards, ms, processes, server }: Division): string[] => [
    `${shards}`,
    `${number(rate(events, ms))}/s`,
    perEvent(processes),
    perEvent(server),
    perEvent(processes + server),
  ]
  const ratio = (many.processes + many.server) / (one.processes + one.server)
  return [
    '',
    `${number(events)} events in four arrivals, other sources in the middle`,
    ...align([['processes', 'events', 'own processor time', 'server', 'together'], line(one), line(many)]),
    `processor time per event ${ratio.toFixed(2)}× that of one process (target ≤ ${TARGET})${ratio > TARGET ? ', above target' : ''}`,
    ...[one, many].map(sharedText),
    equal ? `the same history, ${number(rows)} rows` : 'THE HISTORIES DIFFER',
    '',
  ].join('\n')
}

function sharedText({ shards, shared, building }: Division): string {
  const parts = Object.entries(shared).map(([name, ms]) => `${name} ${percent(ms / building)}`)
  const sum = Object.values(shared).reduce((total, ms) => total + ms, 0)
  const waiting = shards === 1 ? '' : ', waiting for others included'
  return `${shards}: ${percent(sum / building)} of the building is for all at once (${parts.join(', ')}${waiting})`
}
