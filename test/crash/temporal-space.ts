/** Spaces of the shop for runs on a Temporal server, opened as workers open them; a prefix of its own keeps clones apart. */
import type { OpenedSpace } from '../../activities/index.ts'
import { Defacto, type DefactoOptions } from '../../src/index.ts'
import type { Queue, TemporalAddress } from '../../src/temporal/index.ts'
import type { Line } from '../support/people.ts'
import { runSpace } from '../support/run-space.ts'
import { EDITIONS } from './shop-job.ts'

export interface ShopPlace {
  readonly database: string
  readonly coldLedger?: string
  /** Inputs are read from `in/` below it. */
  readonly folder: string
  /** Which of `EDITIONS`. */
  readonly edition: number
}

/** What a worker process is told. */
export interface WorkerOrder {
  readonly temporal: TemporalAddress
  readonly prefix: string
  readonly place: ShopPlace
  readonly queues?: readonly Queue[]
  readonly heartbeatMs: number
  readonly leaseMs: number
}

/** A worker that is silent for so long has its steps taken by others. */
export const HEARTBEAT_MS = 2_000
/** And its slots. */
export const LEASE_MS = 5_000

export interface ShopSpace extends OpenedSpace {
  readonly defacto: Defacto
  /** What the engine has logged. */
  readonly lines: readonly Line[]
}

export const PIPELINES = {
  nightly: {
    inputs: {
      files: {
        source: 'kiosk',
        kind: 'files',
        path: 'in/*.ndjson',
        settle: '0s',
        batch: 40,
        on_error: { max_ratio: 1 },
      },
    },
    steps: ['ingest', 'build', 'tick'],
    retry: { attempts: 0, backoff: '1s', max: '1s' },
  },
  /** Nobody listens there. */
  elsewhere: {
    inputs: {
      rows: {
        source: 'kiosk',
        kind: 'postgres',
        database: 'postgres://127.0.0.1:1/none',
        query: 'select * from records',
      },
    },
    steps: ['ingest'],
    retry: { attempts: 0, backoff: '60s', max: '60s' },
  },
}

export async function openShop(
  place: ShopPlace,
  { engine = 'temporal', ...options }: DefactoOptions & { engine?: 'temporal' | 'local' } = {},
): Promise<ShopSpace> {
  const lines: Line[] = []
  const at =
    (level: string) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void =>
      void lines.push({ level, message, fields })
  const { database, coldLedger, folder, edition } = place
  const defacto = (await Defacto.fromConfig(EDITIONS[edition] as never, {
    database,
    ...(coldLedger === undefined ? {} : { coldLedger }),
    catchUp: false,
    leaseMs: LEASE_MS,
    logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') },
    ...options,
  })) as unknown as Defacto
  return { ...runSpace(defacto, { folder, pipelines: PIPELINES, engine }), lines }
}
