/** The page about privacy does what it says, from a request to a verified certificate. */
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { ROOT } from '../support/clone.ts'
import { Reader } from '../support/reader.ts'

it('docs/privacy.md is right, block by block', () => {
  const bin = mkdtempSync(join(tmpdir(), 'defacto-bin-'))
  const reader = new Reader({
    PATH: [bin, dirname(process.execPath), process.env['PATH']].join(delimiter),
    DPO_WEBHOOK: 'https://localhost:1/hook',
  })
  try {
    symlinkSync(join(ROOT, 'node_modules'), join(reader.folder, 'node_modules'))
    const main = join(reader.folder, 'src', 'cli', 'main.ts')
    writeFileSync(join(bin, 'defacto'), `#!/bin/sh\nexec node '${main}' "$@"\n`, { mode: 0o755 })
    const blocks = reader.follow('docs/privacy.md')
    expect(blocks.filter(({ kind }) => kind === 'bash').length).toBeGreaterThan(12)
  } finally {
    reader.remove()
    rmSync(bin, { recursive: true })
  }
})
