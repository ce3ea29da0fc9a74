/** Opening an archive by its address (spec 07 §5); its drivers are loaded here, when somebody has one. */
import { hostname } from 'node:os'
import { processStartTime } from './adapters/host/process-identity.ts'
import type { ColdLedger } from './cold-options.ts'
import { type ColdCall, withColdSlot } from './engine/cold/slot.ts'
import type { Engine } from './engine/engine.ts'
import { ConfigError } from './errors.ts'
import type { Archive, Verified } from './ports/archive.ts'
import type { ObjectStore } from './ports/objects.ts'
import type { Holder } from './ports/store.ts'

export interface ColdPlace {
  readonly archive: Archive
  readonly objects: ObjectStore
  /** Closes both; may be repeated. */
  close(): Promise<void>
}

/**
 * Nothing is read or made yet. Local copies that processes left which are dead are removed.
 * @throws ConfigError for an address or setting that is no good, `E_CONFIG_DRIVER` if a package is missing
 */
export async function openColdPlace(
  { url, storage }: Pick<ColdLedger, 'url' | 'storage'>,
  isDead: (holder: Holder) => boolean = () => false,
): Promise<ColdPlace> {
  const { openDeltaArchive } = await driver(() => import('./adapters/delta/archive.ts'))
  const { openObjects } = await import('./adapters/objects/open.ts')
  // The SDK knows this variable too, but not that the buckets of such a server are in the path.
  const endpoint = storage.endpoint ?? process.env['AWS_ENDPOINT_URL_S3'] ?? process.env['AWS_ENDPOINT_URL']
  const objects = await driver(() => openObjects(url, endpoint === undefined ? storage : { ...storage, endpoint }))
  try {
    const own = { host: hostname(), pid: process.pid, startedAt: processStartTime(process.pid) ?? '' }
    const archive = await openDeltaArchive({ objects, processes: { own, isDead } })
    const close = async (): Promise<void> => {
      await archive.close()
      await objects.close()
    }
    return { archive, objects, close }
  } catch (error) {
    await objects.close()
    throw error
  }
}

export interface MovedArchive {
  readonly from: string
  readonly to: string
  /** Data files that were copied, and their bytes. */
  readonly files: number
  readonly bytes: number
  /** Data files that an earlier, interrupted call had copied. */
  readonly present: number
  /** What was found when the copy was read from end to end. */
  readonly verified: Verified
}

/**
 * Copies the archive to another place while nobody changes it, and reads the copy. The space goes on using the old one
 * until it is opened with the new.
 */
export async function moveArchive(
  engine: Engine,
  from: ColdLedger,
  to: ColdLedger,
  { signal, progress }: ColdCall,
): Promise<MovedArchive> {
  const source = await openColdPlace(from)
  const target = await openColdPlace(to).catch(async (error: unknown) => {
    await source.close()
    throw error
  })
  try {
    if (source.objects.location === target.objects.location) {
      throw new ConfigError(`the archive is in ${target.objects.location} already`, { code: 'E_CONFIG_COLD_LEDGER' })
    }
    return await withColdSlot(engine, 'move', signal, async () => {
      const { copyTable } = await import('./adapters/delta/copy-table.ts')
      const { files, bytes, present } = await copyTable(source.objects, target.objects, { signal, progress })
      // An earlier call may have copied what was replaced since, and replaced files may hold what must not stay.
      if (present > 0) await target.archive.purge({ orphanAgeMs: 0 })
      const verified = await target.archive.verify()
      return { from: source.objects.location, to: target.objects.location, files, bytes, present, verified }
    })
  } finally {
    await target.close()
    await source.close()
  }
}

/** The drivers are optional dependencies: somebody may have left them away. */
async function driver<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const missing = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND'
    const [, name] = /'((?:@[a-z0-9-]+\/)?[a-z][a-z0-9.-]*)[/']/.exec(message ?? '') ?? []
    if (!missing || name === undefined) throw error
    throw new ConfigError(
      `the cold ledger needs the package ${name}, which is not installed: npm install --include=optional`,
      { code: 'E_CONFIG_DRIVER', details: { package: name }, cause: error },
    )
  }
}
