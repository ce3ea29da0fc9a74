/** The archive's contract over the object stores there are; another one is another row. */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'vitest'
import { openDeltaArchive } from '../../src/adapters/delta/archive.ts'
import { openFolder } from '../../src/adapters/objects/folder.ts'
import { archiveContract } from '../../src/testing/contract/archive.ts'
import { room } from '../support/room.ts'

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
