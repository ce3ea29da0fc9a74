/** Where the sample lies and where its state goes. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ConfigError } from '../../errors.ts'

export interface SamplePlace {
  readonly definitions: string
  /** Records, `manifest.json` and `expected.json`. */
  readonly data: string
  /** Database, archive, server and results; made by the run, removed by `--fresh`. */
  readonly state: string
  /** Where files arrive: inputs of the pipeline are named from here. */
  readonly arrived: string
}

/**
 * In this package's own folder the state is `.defacto/`, as in any project. Anywhere else it is a folder of its own:
 * the sample must never touch the space of somebody's project.
 */
export function samplePlace(cwd: string): SamplePlace {
  const root = packageRoot(import.meta.dirname)
  const state = join(cwd, cwd === root ? '.defacto' : 'defacto-sample')
  return {
    definitions: join(root, 'definitions'),
    data: join(root, 'infra', 'sample'),
    state,
    arrived: join(state, 'arrived'),
  }
}

function packageRoot(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    const file = join(folder, 'package.json')
    if (existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as { name?: string }).name === 'defacto')
      return folder
    if (dirname(folder) === folder) throw new ConfigError('the sample project is not part of this installation')
  }
}
