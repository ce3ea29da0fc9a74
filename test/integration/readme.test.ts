/** The README's code blocks, every one, run from top to bottom in a fresh copy of the project. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ROOT } from '../support/clone.ts'
import { Reader } from '../support/reader.ts'

describe('the way in', () => {
  let reader: Reader
  beforeAll(() => {
    reader = new Reader()
  })
  afterAll(() => reader.remove())

  /** The second page goes on in the folder where the first one ends. */
  test.each(['README.md', 'docs/getting-started.md'])(
    '%s does what it says, block by block',
    { timeout: 300_000 },
    (page) => {
      const blocks = reader.follow(page)
      const shown = blocks.filter(({ kind }) => kind === 'fragment').map(({ line }) => `${page}:${line}`)
      expect(shown, 'is neither run, nor a file, nor a picture').toEqual([])
      expect(blocks.filter(({ kind }) => kind === 'bash').length).toBeGreaterThan(3)
      expect(blocks.filter(({ kind }) => kind === 'output').length).toBeGreaterThan(2)
    },
  )
})

describe('documents', () => {
  const documents = [
    'README.md',
    ...[
      'getting-started',
      'definitions',
      'expressions',
      'architecture',
      'postgres',
      'cold-tier',
      'pipelines',
      'queries',
    ].map((name) => `docs/${name}.md`),
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
