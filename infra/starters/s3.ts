/** An S3 server for tests and for trying things out: own port, loopback only, ends with its owner and forgets all. */
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Kept, keep } from '../../src/temporal/keeper.ts'
import { freePort, isFree, StarterError, temporaryFolder } from './host.ts'
import { type LocalStack, localStack } from './localstack.ts'

export interface S3ServerOptions {
  /** Default: a free one. */
  readonly port?: number
}

/** A server that answers. Where it was started here, any credentials do. */
export interface RunningS3 {
  /** `http://127.0.0.1:4566`; buckets are in the path. */
  readonly endpoint: string
  /** `LocalStack 4.13.1`. */
  readonly name: string
  /** Stops the server if it was started here; its objects go. */
  stop(): Promise<void>
}

/** It loads for five seconds, on a machine with other work for longer. */
const PATIENCE_MS = 120_000

/** The server named by `DEFACTO_S3_ENDPOINT`, else one that is started. */
export async function findS3(options: S3ServerOptions = {}): Promise<RunningS3> {
  const endpoint = process.env['DEFACTO_S3_ENDPOINT']
  if (!endpoint) return startS3(options)
  try {
    await fetch(endpoint, { signal: AbortSignal.timeout(10_000) })
    return { endpoint, name: `The S3 server at ${new URL(endpoint).host}`, stop: async () => {} }
  } catch (error) {
    const { message, cause } = error as { message: string; cause?: { code?: string } }
    const place = URL.canParse(endpoint) ? ` (${new URL(endpoint).host})` : ''
    throw new StarterError(
      `The server of DEFACTO_S3_ENDPOINT${place} does not answer: ${cause?.code ?? message}.\n` +
        'Correct the address, or unset it to have a server started.',
    )
  }
}

/**
 * Starts a server of one's own.
 * @throws StarterError when none can be installed, or when it does not start
 */
export async function startS3(options: S3ServerOptions = {}): Promise<RunningS3 & AsyncDisposable> {
  const port = options.port ?? (await freePort())
  // LocalStack would wait for it in silence.
  if (!(await isFree(port))) throw new StarterError(`Port ${port} of 127.0.0.1 is taken: choose another one.`)
  return start(await localStack(), port)
}

async function start({ python, version }: LocalStack, port: number): Promise<RunningS3 & AsyncDisposable> {
  const folder = temporaryFolder('s3')
  const log = join(folder, 'log')
  await mkdir(join(folder, 'volume'))
  const kept = keep([python, join(import.meta.dirname, 'localstack-server.py')], {
    signal: 'TERM',
    log,
    cwd: folder,
    env: environment(folder, port),
    user: null,
    temporary: folder,
  })
  async function stop(): Promise<void> {
    await kept.stop()
    await rm(folder, { recursive: true, force: true })
  }
  const endpoint = `http://127.0.0.1:${port}`
  if (!(await answers(endpoint, kept))) {
    await kept.stop()
    const said = await readFile(log, 'utf8').catch(() => '')
    await stop()
    throw new StarterError(`LocalStack ${version} of ${python} did not start on port ${port}. Its log:\n${said.trim()}`)
  }
  return { endpoint, name: `LocalStack ${version}`, stop, [Symbol.asyncDispose]: stop }
}

/** Nothing but S3, nothing from the network, nothing of the surrounding shell that would change it. */
function environment(folder: string, port: number): NodeJS.ProcessEnv {
  const surrounding = Object.entries(process.env).filter(([name]) => !/^(PYTHON|LOCALSTACK|GATEWAY|DEBUG)/.test(name))
  return {
    ...Object.fromEntries(surrounding),
    SERVICES: 's3',
    EAGER_SERVICE_LOADING: '1',
    STRICT_SERVICE_LOADING: '1',
    GATEWAY_LISTEN: `127.0.0.1:${port}`,
    LOCALSTACK_HOST: `localhost.localstack.cloud:${port}`,
    DISABLE_EVENTS: '1',
    SKIP_SSL_CERT_DOWNLOAD: '1',
    DNS_ADDRESS: '0',
    FILESYSTEM_ROOT: join(folder, 'fs'),
    LOCALSTACK_VOLUME_DIR: join(folder, 'volume'),
    TMPDIR: folder,
    PYTHONUNBUFFERED: '1',
  }
}

/** False when it ended or the time is over. */
async function answers(endpoint: string, kept: Kept): Promise<boolean> {
  const deadline = performance.now() + PATIENCE_MS
  while (kept.running && performance.now() < deadline) {
    try {
      const answer = await fetch(`${endpoint}/_localstack/health`, { signal: AbortSignal.timeout(10_000) })
      const { services } = (await answer.json()) as { services: Record<string, string> }
      if (services['s3'] === 'running') return kept.running
    } catch {
      // Not yet.
    }
    await Promise.race([delay(50), kept.ended])
  }
  return false
}
