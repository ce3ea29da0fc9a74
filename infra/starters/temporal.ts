/** Temporal for tests and for trying things out: own port, loopback only, ends with its owner and forgets all. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isServer, startDevServer } from '../../src/temporal/dev-server.ts'
import { type Executable, findExecutable, type Tried } from '../../src/temporal/executable.ts'
import { StarterError, temporaryFolder } from './host.ts'

export interface TemporalServerOptions {
  /** Default: a free one. */
  readonly port?: number
  /** File that keeps its data, waiting for the disk; default: they go when it stops. */
  readonly data?: string
}

/** A server that answers. */
export interface RunningTemporal {
  /** `127.0.0.1:7233`. */
  readonly address: string
  readonly namespace: string
  /** `temporal on PATH (…)`. */
  readonly name: string
  /** The file it keeps everything in; null: it was not started here. */
  readonly database: string | null
  /** Stops it if it was started here. */
  stop(): Promise<void>
}

/** The server named by `TEMPORAL_ADDRESS`, else one that is started. */
export async function findTemporalServer(options: TemporalServerOptions = {}): Promise<RunningTemporal> {
  const address = process.env['TEMPORAL_ADDRESS']
  if (!address) return startTemporal(options)
  const namespace = process.env['TEMPORAL_NAMESPACE'] || 'default'
  if (await isServer(address, namespace)) {
    return { address, namespace, name: `The Temporal server at ${address}`, database: null, stop: async () => {} }
  }
  throw new StarterError(
    `The server of TEMPORAL_ADDRESS (${address}) does not answer, or has no namespace '${namespace}'.\n` +
      'Correct the address, or unset it to have a server started.',
  )
}

/**
 * Starts a server of one's own.
 * @throws StarterError when there is no program, or when it does not start
 */
export async function startTemporal(options: TemporalServerOptions = {}): Promise<RunningTemporal & AsyncDisposable> {
  const { path, how } = await temporalExecutable()
  const folder = temporaryFolder('temporal')
  const database = options.data ?? join(folder, 'temporal.db')
  try {
    const server = await startDevServer({
      executable: path,
      database,
      log: join(folder, 'log'),
      temporary: folder,
      durable: options.data !== undefined,
      ...(options.port === undefined ? {} : { port: options.port }),
    })
    async function stop(): Promise<void> {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    }
    const { address, namespace } = server
    return { address, namespace, name: how, database, stop, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw new StarterError((error as Error).message)
  }
}

/** The program, built where there is none; that takes minutes, once for a machine. */
export async function temporalExecutable(): Promise<Executable> {
  const tried: Tried[] = []
  const found = await findExecutable({ say: (line) => process.stderr.write(`${line}\n`) }, tried)
  if (found !== null) return found
  throw new StarterError(
    [
      'There is no Temporal server here, and none could be built.',
      ...tried.map(({ step, why }) => `- ${step}: ${why}`),
      'Install Go 1.24 or newer, name a program in DEFACTO_TEMPORAL_CLI or a running server in TEMPORAL_ADDRESS',
      '(docker compose -f infra/compose.yaml up --wait temporal).',
    ].join('\n'),
  )
}
