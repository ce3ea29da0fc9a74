/** The archive's contract over the object stores there are; another one is another row. */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'vitest'
import { openDeltaArchive } from '../../src/adapters/delta/archive.ts'
import { openFolder } from '../../src/adapters/objects/folder.ts'
import { openS3 } from '../../src/adapters/objects/s3.ts'
import { archiveContract } from '../../src/testing/contract/archive.ts'
import { room } from '../support/room.ts'
import { describeS3, freshBucket } from '../support/s3.ts'

archiveContract({
  name: 'Delta in a folder',
  api: { describe, it },
  async place() {
    const folder = await mkdtemp(join(room(), 'defacto-archive-test-'))
    return {
      open: (options) =>
        openDeltaArchive({ objects: openFolder(join(folder, 'table')), temporary: folder, ...options }),
      dispose: () => rm(folder, { recursive: true }),
    }
  },
})

archiveContract({
  name: 'Delta in a bucket that keeps versions',
  api: { describe: describeS3, it },
  async place() {
    const folder = await mkdtemp(join(room(), 'defacto-archive-test-'))
    const bucket = await freshBucket({ versioned: true })
    const objects = openS3(`${bucket.url}/table`, bucket.options)
    return {
      open: (options) => openDeltaArchive({ objects, temporary: folder, ...options }),
      async dispose() {
        await objects.close()
        await bucket.drop()
        await rm(folder, { recursive: true })
      },
    }
  },
})
