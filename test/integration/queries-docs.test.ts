/** The page about queries does what it says, in a folder of its own, with the package as it is built and a Python. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { pythonOfAnalysts } from '../../infra/starters/analysts.ts'
import { describeAnalysts } from '../support/analysts.ts'
import { ROOT } from '../support/clone.ts'
import { Reader } from '../support/reader.ts'

describeAnalysts('docs/queries.md', () => {
  it('is right, block by block', { timeout: 300_000 }, async () => {
    const python = await pythonOfAnalysts()
    const bin = mkdtempSync(join(tmpdir(), 'defacto-bin-'))
    const reader = new Reader({
      PATH: [bin, dirname(python), dirname(process.execPath), process.env['PATH']].join(delimiter),
    })
    try {
      const copy = reader.folder
      symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
      execFileSync(join(ROOT, 'node_modules', '.bin', 'tsc'), ['-p', 'tsconfig.build.json'], { cwd: copy })
      const main = join(copy, 'dist', 'src', 'cli', 'main.js')
      writeFileSync(join(bin, 'defacto'), `#!/bin/sh\nexec node '${main}' "$@"\n`, { mode: 0o755 })
      reader.enter('desk')
      mkdirSync(join(reader.folder, 'node_modules'))
      symlinkSync(copy, join(reader.folder, 'node_modules', 'defacto'))
      const blocks = reader.follow('docs/queries.md')
      expect(blocks.filter(({ kind }) => kind === 'output').length).toBeGreaterThan(8)
      expect(blocks.filter(({ kind }) => kind === 'fragment')).toEqual([])
    } finally {
      reader.remove()
      rmSync(bin, { recursive: true })
    }
  })
})
