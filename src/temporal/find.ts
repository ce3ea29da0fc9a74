/** Finding Temporal (spec 10 §5): in a fixed order, the step that matched is said, and nothing found says what was tried. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadClientConnectConfig } from '@temporalio/envconfig'
import { ConfigError, UnreachableError } from '../errors.ts'
import { connectClient, type TemporalAddress } from './connect.ts'
import { isServer, startDevServer } from './dev-server.ts'
import { findExecutable, type Tried } from './executable.ts'

export interface FindTemporalOptions {
  /** `--temporal-address`, or `temporal.address` of the config. */
  readonly address?: string
  /** `temporal.profile` of the config. */
  readonly profile?: string
  /** In production only what is named is tried. */
  readonly mode: 'development' | 'production'
  /** The project's `.defacto`: address and data of a server that was started. */
  readonly folder: string
  /** Leaves a server that is started here running. */
  readonly keep?: boolean
  /** Build the server where there is none; default true. */
  readonly build?: boolean
  readonly say?: (line: string) => void
  readonly env?: NodeJS.ProcessEnv
}

export interface FoundTemporal extends TemporalAddress {
  /** The step that matched, for people. */
  readonly how: string
  /** Started here, and ended by `close` unless it is to be kept. */
  readonly started: boolean
  close(): Promise<void>
}

const USUAL = '127.0.0.1:7233'

/** @throws UnreachableError (`E_TEMPORAL_NOT_FOUND`) naming each step and why it failed */
export async function findTemporal(options: FindTemporalOptions): Promise<FoundTemporal> {
  const env = options.env ?? process.env
  const named = await ofSettings(options, env)
  if (named !== null) return named
  const tried: Tried[] = [
    { step: '--temporal-address, TEMPORAL_ADDRESS, TEMPORAL_PROFILE, TEMPORAL_CONFIG_FILE', why: 'none is given' },
  ]
  if (options.mode === 'production') throw notFound(tried, 'mode production starts no server')
  const running = await ofRunning(options, tried)
  if (running !== null) return running
  const started = await ofOwn(options, env, tried)
  if (started !== null) return started
  throw notFound(tried, 'name a running server in --temporal-address, install temporal or go, or run with --local')
}

/** What is given is what is meant: it answers, or nothing does. */
async function ofSettings(options: FindTemporalOptions, env: NodeJS.ProcessEnv): Promise<FoundTemporal | null> {
  const { address, profile } = options
  const how = address
    ? `--temporal-address ${address}`
    : env['TEMPORAL_ADDRESS']
      ? `TEMPORAL_ADDRESS ${env['TEMPORAL_ADDRESS']}`
      : (profile ?? env['TEMPORAL_PROFILE'])
        ? `profile ${profile ?? env['TEMPORAL_PROFILE']}`
        : env['TEMPORAL_CONFIG_FILE']
          ? 'TEMPORAL_CONFIG_FILE'
          : null
  if (how === null) return null
  const config = load(profile, env)
  const { address: configured, ...others } = config.connectionOptions
  const place: TemporalAddress = {
    address: address ?? configured ?? USUAL,
    namespace: config.namespace ?? 'default',
    options: others as NonNullable<TemporalAddress['options']>,
  }
  const { close } = await connectClient(place)
  await close()
  return { ...place, how, started: false, close: async () => {} }
}

function load(profile: string | undefined, env: NodeJS.ProcessEnv): ReturnType<typeof loadClientConnectConfig> {
  try {
    const overrideEnvVars = env as Record<string, string>
    return loadClientConnectConfig({ overrideEnvVars, ...(profile === undefined ? {} : { profile }) })
  } catch (cause) {
    // Its message may quote the file, where there are keys.
    const place = profile ?? env['TEMPORAL_PROFILE'] ?? 'default'
    throw new ConfigError(`the Temporal profile '${place}' cannot be read; see TEMPORAL_CONFIG_FILE`, { cause })
  }
}

interface Stored {
  readonly address: string
  readonly namespace: string
}

const storedFile = (folder: string): string => join(folder, 'temporal.json')

async function ofRunning({ folder }: FindTemporalOptions, tried: Tried[]): Promise<FoundTemporal | null> {
  const stored = await readStored(folder)
  if (stored === null) tried.push({ step: storedFile(folder), why: 'names no server' })
  const places: readonly (Stored & { how: string })[] = [
    ...(stored === null ? [] : [{ ...stored, how: storedFile(folder) }]),
    { address: USUAL, namespace: 'default', how: 'the usual port' },
  ]
  for (const { address, namespace, how } of places) {
    if (await isServer(address, namespace)) {
      return { address, namespace, how: `${how} (${address})`, started: false, close: async () => {} }
    }
    tried.push({ step: `${how} (${address})`, why: 'no server answers' })
  }
  return null
}

async function readStored(folder: string): Promise<Stored | null> {
  try {
    const { address, namespace } = JSON.parse(await readFile(storedFile(folder), 'utf8')) as Partial<Stored>
    return typeof address === 'string' && typeof namespace === 'string' ? { address, namespace } : null
  } catch {
    return null
  }
}

async function ofOwn(
  options: FindTemporalOptions,
  env: NodeJS.ProcessEnv,
  tried: Tried[],
): Promise<FoundTemporal | null> {
  const { folder, keep = false, say } = options
  const executable = await findExecutable(
    { env, ...(options.build === undefined ? {} : { build: options.build }), ...(say ? { say } : {}) },
    tried,
  )
  if (executable === null) return null
  await mkdir(folder, { recursive: true })
  try {
    const server = await startDevServer({
      executable: executable.path,
      database: join(folder, 'temporal.db'),
      log: join(folder, 'temporal.log'),
      leave: keep,
    })
    const { address, namespace } = server
    await writeFile(storedFile(folder), `${JSON.stringify({ address, namespace })}\n`)
    async function close(): Promise<void> {
      if (keep) return
      await server.stop()
      if ((await readStored(folder))?.address === address) await rm(storedFile(folder), { force: true })
    }
    return { address, namespace, how: `${executable.how}, started on ${address}`, started: true, close }
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error
    tried.push({ step: executable.how, why: error.message })
    return null
  }
}

function notFound(tried: readonly Tried[], remedy: string): UnreachableError {
  const lines = tried.map(({ step, why }, index) => `  ${index + 1}. ${step}: ${why}`)
  return new UnreachableError(`no Temporal server was found; ${remedy}. Tried:\n${lines.join('\n')}`, {
    code: 'E_TEMPORAL_NOT_FOUND',
    details: { tried },
    recoverable: false,
  })
}
