/** Builds one shard, or everything: a process of its own. First message: the job; answer: open. Second: build; answer: report. */
import { once } from 'node:events'
import { Defacto } from '../src/index.ts'

export interface WorkerJob {
  readonly place: { database: string; namespace?: string }
  readonly edition: object
  readonly now: string
  readonly shardId: number
  readonly total: number
}

/** Milliseconds. */
export interface WorkerReport {
  readonly ms: number
  readonly cpu: number
  /** Of `ms`: what one process does for all, or waits for. */
  readonly shared: Readonly<Record<string, number>>
}

const [{ place, edition, now, shardId, total }] = (await once(process, 'message')) as [WorkerJob]
const space = await Defacto.fromConfig(edition, {
  ...place,
  ...(total === 1 ? {} : { shardId, totalShards: total }),
  clock: () => new Date(now),
  logLevel: 'ERROR',
  catchUp: false,
})
process.send?.('open')
await once(process, 'message')

const [at, used] = [performance.now(), process.cpuUsage()]
const shared = { renormalizing: 0, identities: 0, mapping: 0, swapping: 0 }
// A merge that another shard finds later is something to do again.
while ((await space.nextBuild()).mode !== 'SKIP') {
  let replayed = 0
  const { timing } = await space.build({
    onProgress: ({ phase }) => {
      if (phase === 'rebuild') replayed = performance.now()
      else if (phase === 'swap' && replayed > 0) shared.swapping += performance.now() - replayed
    },
  })
  shared.renormalizing += timing['renormalize_ms'] ?? 0
  shared.identities += timing['identity_ms'] ?? 0
  shared.mapping += timing['map_ms'] ?? 0
}
const { user, system } = process.cpuUsage(used)
const report: WorkerReport = { ms: performance.now() - at, cpu: (user + system) / 1000, shared }
await space.close()
process.send?.(report, () => process.disconnect?.())
