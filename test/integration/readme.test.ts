/** The README's code blocks, every one, run from top to bottom in a fresh copy of the project. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { copyProject, ROOT } from '../support/clone.ts'
import { blocksOf } from '../support/markdown.ts'

describe('the way in', () => {
  let scratch: string
  let folder: string

  beforeAll(() => {
    scratch = realpathSync(mkdtempSync(join(tmpdir(), 'defacto-readme-')))
    folder = join(scratch, 'defacto')
    copyProject(folder)
  })
  afterAll(() => rmSync(scratch, { recursive: true, force: true }))

  /** Runs the block where the one before ended, as a shell with Node 24 on its path would. */
  function shell(text: string): string {
    const place = join(scratch, 'place')
    const script = `set -euo pipefail\n${text}\npwd > '${place}'\n`
    const { status, stdout, stderr } = spawnSync('bash', ['-c', script], {
      cwd: folder,
      encoding: 'utf8',
      timeout: 280_000,
      env: {
        ...process.env,
        PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH']}`,
        NO_COLOR: '1',
        npm_config_prefer_offline: 'true',
        npm_config_audit: 'false',
        npm_config_fund: 'false',
      },
    })
    if (status !== 0) throw new Error(`exit ${status}:\n${text}\n${stdout}\n${stderr}`)
    folder = readFileSync(place, 'utf8').trim()
    return stdout
  }

  /** The second page goes on in the folder where the first one ends. */
  test.each(['README.md', 'docs/getting-started.md'])(
    '%s does what it says, block by block',
    { timeout: 300_000 },
    (page) => {
      const blocks = blocksOf(join(ROOT, page))
      let printed = ''
      for (const block of blocks) {
        const place = `${page}:${block.line}`
        if (block.kind === 'bash') printed = shell(block.text)
        else if (block.kind === 'file') {
          mkdirSync(dirname(join(folder, block.path)), { recursive: true })
          writeFileSync(join(folder, block.path), block.text)
        } else if (block.kind === 'output') expect(lastLines(printed, block.text), place).toBe(block.text.trimEnd())
        else expect(block.kind, `${place} is neither run, nor a file, nor a picture`).toBe('picture')
      }
      expect(blocks.filter(({ kind }) => kind === 'bash').length).toBeGreaterThan(3)
      expect(blocks.filter(({ kind }) => kind === 'output').length).toBeGreaterThan(2)
    },
  )
})

describe('documents', () => {
  const documents = [
    'README.md',
    ...['getting-started', 'definitions', 'expressions', 'architecture'].map((name) => `docs/${name}.md`),
  ]

  test.each(documents)('%s links to what exists, with headings that exist', (document) => {
    const text = readFileSync(join(ROOT, document), 'utf8')
    const broken = [...text.matchAll(/\]\((?!https?:)([^)#]*)(#[^)]*)?\)/g)].filter(([, path = '', heading]) => {
      const target = path === '' ? join(ROOT, document) : join(ROOT, dirname(document), path)
      if (!existsSync(target)) return true
      return heading !== undefined && !headingsOf(target).includes(heading.slice(1))
    })
    expect(broken.map(([link]) => link)).toEqual([])
  })

  test.each(documents)('%s has a title and no line that runs off the page', (document) => {
    const lines = readFileSync(join(ROOT, document), 'utf8').split('\n')
    expect(lines[0]).toMatch(/^# \S/)
    const long = lines.filter((line) => line.length > 160 && !line.startsWith('|'))
    expect(long).toEqual([])
  })
})

function headingsOf(path: string): string[] {
  const headings = readFileSync(path, 'utf8').matchAll(/^#+ (.+)$/gm)
  return [...headings].map(([, text = '']) =>
    text
      .toLowerCase()
      .replace(/[^\p{L}\p{N} -]/gu, '')
      .replaceAll(' ', '-'),
  )
}

/** As many last lines of the output as are expected, ends trimmed. */
function lastLines(output: string, expected: string): string {
  const count = expected.trimEnd().split('\n').length
  return output
    .trimEnd()
    .split('\n')
    .slice(-count)
    .map((line) => line.trimEnd())
    .join('\n')
}
