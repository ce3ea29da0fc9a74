/** The page about the cold tier does what it says, with a bucket and a Python of its own. */
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { pythonWithDeltalake } from '../../infra/starters/deltalake.ts'
import { ROOT } from '../support/clone.ts'
import { Reader } from '../support/reader.ts'
import { describeS3, freshBucket } from '../support/s3.ts'

describeS3('docs/cold-tier.md', () => {
  it('is right, block by block', async () => {
    const bucket = await freshBucket()
    const python = await pythonWithDeltalake()
    const bin = mkdtempSync(join(tmpdir(), 'defacto-bin-'))
    const reader = new Reader({
      PATH: [bin, dirname(python), dirname(process.execPath), process.env['PATH']].join(delimiter),
      BUCKET: bucket.name,
      AWS_ENDPOINT_URL_S3: bucket.options.endpoint ?? '',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_REGION: 'us-east-1',
    })
    try {
      symlinkSync(join(ROOT, 'node_modules'), join(reader.folder, 'node_modules'))
      const main = join(reader.folder, 'src', 'cli', 'main.ts')
      writeFileSync(join(bin, 'defacto'), `#!/bin/sh\nexec node '${main}' "$@"\n`, { mode: 0o755 })
      const blocks = reader.follow('docs/cold-tier.md')
      expect(blocks.filter(({ kind }) => kind === 'bash').length).toBeGreaterThan(8)
    } finally {
      reader.remove()
      rmSync(bin, { recursive: true })
      await bucket.drop()
    }
  })
})
