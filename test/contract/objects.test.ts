/** The contract of object storage over a folder and over S3. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'vitest'
import { openFolder } from '../../src/adapters/objects/folder.ts'
import { objectContract } from '../../src/testing/contract/objects.ts'

objectContract({
  backend: {
    name: 'a folder',
    async space() {
      const folder = await mkdtemp(join(tmpdir(), 'defacto-contract-'))
      return {
        open: async () => openFolder(join(folder, 'new', 'root')),
        dispose: () => rm(folder, { recursive: true }),
      }
    },
  },
  api: { describe, it },
})
