/**
 * Builds one shard, or everything: a process of its own, alive as long as the benchmark wants. A job makes it build until
 * nothing is left; the answer is what that took.
 */
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

process.on('message', async (job: WorkerJob) => {
  process.send?.(await work(job))
})

async function work({ place, edition, now, shardId, total }: WorkerJob): Promise<WorkerReport> {
  const [at, used] = [performance.now(), process.cpuUsage()]
  await using space = await Defacto.fromConfig(edition, {
    ...place,
    ...(total === 1 ? {} : { shardId, totalShards: total }),
    clock: () => new Date(now),
    logLevel: 'ERROR',
    catchUp: false,
  })
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
  return { ms: performance.now() - at, cpu: (user + system) / 1000, shared }
}
