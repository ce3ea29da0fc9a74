/** A project with the sample's definitions and a month of one source, run by the pipeline `nightly`. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from './clone.ts'

export const MAIN = join(ROOT, 'src', 'cli', 'main.ts')
/** The program as others would call `npx defacto`. */
export const DEFACTO = `${process.execPath} ${MAIN}`

const PIPELINE = `nightly:
  retry: { attempts: 1 }
  inputs:
    app: { source: app, kind: files, path: "data/app-*.ndjson", settle: 0s, required: true, on_error: { max_ratio: 0.05 } }
  steps: [ingest, build, tick, check]
  checks:
    history: { kind: history_valid, asset: entity/customer/history }
    no-letters: { kind: dead_letter_rate, asset: source/app, max: 0.0, severity: warn }
`

export class NightlyProject implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'defacto-nightly-'))

  constructor() {
    for (const part of ['entities', 'schemas', 'sources']) {
      cpSync(join(ROOT, 'definitions', part), join(this.folder, part), { recursive: true })
    }
    mkdirSync(join(this.folder, 'pipelines'))
    writeFileSync(join(this.folder, 'pipelines', 'nightly.yaml'), PIPELINE)
    mkdirSync(join(this.folder, 'data'))
  }

  /** Makes a month's records arrive. */
  arrive(month: string): this {
    cpSync(join(ROOT, 'infra', 'sample', `app-${month}.ndjson`), join(this.folder, 'data', `app-${month}.ndjson`))
    return this
  }

  /** Every record is a chunk from now on: somebody can meet a run on its way. */
  slowly(): this {
    writeFileSync(
      join(this.folder, 'pipelines', 'nightly.yaml'),
      PIPELINE.replace('kind: files,', 'kind: files, batch: 1,'),
    )
    return this
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
