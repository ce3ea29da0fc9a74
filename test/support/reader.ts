/** Somebody who does what a page says: runs its commands, writes its files, and compares what is printed. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { expect } from 'vitest'
import { copyProject, ROOT } from './clone.ts'
import { type Block, blocksOf } from './markdown.ts'

export class Reader {
  readonly #scratch: string
  readonly #env: Readonly<Record<string, string>>
  /** Where the block before ended. */
  #folder: string

  /** In a fresh copy of the project, with a shell that has Node 24 on its path. */
  constructor(env: Readonly<Record<string, string>> = {}) {
    this.#scratch = realpathSync(mkdtempSync(join(tmpdir(), 'defacto-reader-')))
    this.#folder = join(this.#scratch, 'defacto')
    this.#env = env
    copyProject(this.#folder)
  }

  get folder(): string {
    return this.#folder
  }

  /** Reads on in a new folder below. */
  enter(name: string): void {
    this.#folder = join(this.#folder, name)
    mkdirSync(this.#folder)
  }

  /** Reads on in the folder where the page before ended. */
  follow(page: string): Block[] {
    const blocks = blocksOf(join(ROOT, page))
    let printed = ''
    for (const block of blocks) {
      if (block.kind === 'bash') printed = this.#shell(block.text)
      else if (block.kind === 'file') {
        mkdirSync(dirname(join(this.#folder, block.path)), { recursive: true })
        writeFileSync(join(this.#folder, block.path), block.text)
      } else if (block.kind === 'output') {
        expect(lastLines(printed, block.text), `${page}:${block.line}`).toBe(block.text.trimEnd())
      }
    }
    return blocks
  }

  remove(): void {
    rmSync(this.#scratch, { recursive: true, force: true })
  }

  #shell(text: string): string {
    const place = join(this.#scratch, 'place')
    const script = `set -euo pipefail\n${text}\npwd > '${place}'\n`
    const { status, stdout, stderr } = spawnSync('bash', ['-c', script], {
      cwd: this.#folder,
      encoding: 'utf8',
      timeout: 280_000,
      env: {
        ...process.env,
        PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH']}`,
        NO_COLOR: '1',
        npm_config_prefer_offline: 'true',
        npm_config_audit: 'false',
        npm_config_fund: 'false',
        ...this.#env,
      },
    })
    if (status !== 0) throw new Error(`exit ${status}:\n${text}\n${stdout}\n${stderr}`)
    this.#folder = readFileSync(place, 'utf8').trim()
    return stdout
  }
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
