/** The contract of object storage over a folder and over S3; another storage is another row. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'vitest'
import { openFolder } from '../../src/adapters/objects/folder.ts'
import { openS3 } from '../../src/adapters/objects/s3.ts'
import { objectContract } from '../../src/testing/contract/objects.ts'
import { describeS3, freshBucket } from '../support/s3.ts'

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

for (const [name, prefix, versioned] of [
  ['a bucket', '', false],
  ['a prefix of a bucket that keeps versions', '/ledgers/shop=1', true],
] as const) {
  objectContract({
    backend: {
      name,
      async space() {
        const { url, options, drop } = await freshBucket({ versioned })
        return { open: async () => openS3(url + prefix, options), dispose: drop }
      },
    },
    api: { describe: describeS3, it },
  })
}
