/** Several processes that share the entities of one space (spec 04 §5), as far as the scenarios do not show it. */
import { expect, it } from 'vitest'
import { Defacto, type DefactoOptions } from '../../src/index.ts'
import { describePostgres, freshNamespace } from '../support/postgres.ts'

const before = shop({ plan: { type: 'string' } })
const after = shop({ plan: { type: 'string' }, level: { type: 'integer', default: 1 } })

function shop(properties: object) {
  return {
    entities: {
      customer: {
        starts: 'lead',
        identity: { email: {}, phone: {} },
        properties: { email: { type: 'string' }, ...properties },
        states: {
          lead: { when: { seen: { effects: ['create', { set: { property: 'email', from: 'event.email' } }] } } },
        },
      },
    },
    sources: {
      app: {
        event_type: 'kind',
        timestamp: 'at',
        events: {
          seen: {
            event_id: ['n'],
            mappings: { n: { from: 'n' }, email: { from: 'email' }, phone: { from: 'phone' } },
            hints: { customer: ['email', 'phone'] },
          },
        },
      },
    },
  } as const
}

const records = Array.from({ length: 40 }, (_, n) => ({ kind: 'seen', at: 1704067200 + n, n, email: `e${n}` }))

/** `total` engines on one namespace, each with its shard. */
async function withShards(
  total: number,
  work: (open: (definitions: object) => Promise<Defacto[]>, options: DefactoOptions) => Promise<void>,
): Promise<void> {
  const { url, namespace, drop } = freshNamespace()
  const opened: Defacto[] = []
  const options: DefactoOptions = { database: url, namespace, logLevel: 'ERROR', catchUp: false }
  const open = async (definitions: object): Promise<Defacto[]> => {
    const engines = await Promise.all(
      Array.from({ length: total }, (_, shardId) =>
        Defacto.fromConfig(definitions as typeof before, { ...options, shardId, totalShards: total }),
      ),
    )
    opened.push(...(engines as unknown as Defacto[]))
    return engines as unknown as Defacto[]
  }
  try {
    await work(open, options)
  } finally {
    for (const engine of opened) await engine.close()
    await drop()
  }
}

const emails = async (engine: Defacto): Promise<unknown[]> =>
  (await engine.table('customer').orderBy('email').rows()).map((row) => (row as { email?: unknown }).email)

describePostgres('shards', () => {
  it('open a new space at the same time, and each builds its part', async () => {
    await withShards(3, async (open) => {
      const engines = await open(before)
      await engines[0]?.ingest('app', records)
      const results = await Promise.all(engines.map((engine) => engine.build()))
      expect(results.map(({ mode }) => mode)).toEqual(['INCREMENTAL', 'INCREMENTAL', 'INCREMENTAL'])
      const processed = results.map(({ eventsProcessed }) => eventsProcessed)
      expect(processed.reduce((a, b) => a + b)).toBe(40)
      expect(processed.every((count) => count > 0)).toBe(true)
      expect(await emails(engines[2] as Defacto)).toHaveLength(40)
      const status = await engines[1]?.buildStatus()
      expect(status?.shards?.map(({ cursor }) => cursor)).toEqual([40, 40, 40])
    })
  })

  it('readers change over to a new version when the last shard has built it', async () => {
    await withShards(2, async (open) => {
      const old = await open(before)
      await old[0]?.ingest('app', records)
      await Promise.all(old.map((engine) => engine.build()))
      const [first, second] = (await open(after)) as [Defacto, Defacto]
      const columns = (engine: Defacto): readonly string[] => engine.table('customer').columns ?? []
      await first.build()
      expect(columns(first)).not.toContain('level')
      await second.build()
      expect(columns(second)).toContain('level')
      expect((await first.build()).mode).toBe('SKIP')
      expect(columns(first)).toContain('level')
      expect(await emails(first)).toHaveLength(40)
    })
  })

  it('one merges what concerns another: the loser is gone, the winner has the events of both', async () => {
    await withShards(4, async (open) => {
      const engines = (await open(before)) as [Defacto, ...Defacto[]]
      await engines[0].ingest('app', records)
      await Promise.all(engines.map((engine) => engine.build()))
      // Everybody of the second half turns out to be somebody of the first.
      const pairs = records.slice(0, 20).flatMap(({ email }, i) => [
        { kind: 'seen', at: 1704070000 + i, n: 100 + i, email, phone: `p${i}` },
        { kind: 'seen', at: 1704070000 + i, n: 200 + i, email: `e${i + 20}`, phone: `p${i}` },
      ])
      await engines[1]?.ingest('app', pairs)
      const results = await Promise.all(engines.map((engine) => engine.build()))
      expect(results.reduce((sum, { mergesDetected }) => sum + mergesDetected, 0)).toBe(20)
      // A shard that was done before another found a merge applies it in its next pass.
      for (const engine of engines) await engine.build()
      expect(await emails(engines[0])).toHaveLength(20)
      for (let i = 0; i < 20; i += 1) {
        const id = (await engines[0].identity.lookup(`p${i}`)) ?? ''
        expect(await engines[0].ledger.eventsFor(id)).toHaveLength(4)
        expect((await engines[2]?.timeline(id))?.entityId).toBe(id)
      }
      for (const engine of engines) expect((await engine.nextBuild()).mode).toBe('SKIP')
    })
  })

  it('refuse what does not fit together', async () => {
    const refused = (options: DefactoOptions) => Defacto.fromConfig(before, options)
    const database = 'postgresql://nobody@127.0.0.1:1/nothing'
    await expect(refused({ database, shardId: 1 })).rejects.toThrow(/given together/)
    await expect(refused({ database, shardId: 2, totalShards: 2 })).rejects.toThrow(/0 <= shardId < totalShards/)
    await expect(refused({ database: ':memory:', shardId: 0, totalShards: 2 })).rejects.toThrow(/needs a Postgres/)
  })
})
