import { cpSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { ConfigError } from '../../errors.ts'
import type { CommandSpec } from '../command.ts'
import { UsageError } from '../errors.ts'
import { text } from '../options.ts'

/** What lies ready in this package, and what to do with it. */
const KITS: Readonly<Record<string, { readonly folder: string; readonly next: string }>> = {
  dagster: {
    folder: 'infra/dagster',
    next: 'NIGHTLY_PROJECT=. dagster dev -f definitions.py; it runs the pipeline `nightly` as one asset',
  },
  airflow: {
    folder: 'infra/airflow/dags',
    next: 'put the files among your DAGs; the first lines of defacto_nightly.py say what they need',
  },
}

export const command: CommandSpec = {
  name: 'integrate',
  summary: 'write the files that run a pipeline inside another orchestrator',
  arguments: [['<orchestrator>', `one of ${Object.keys(KITS).join(', ')}`]],
  options: [{ flags: '--out <dir>', description: 'folder for the files (default: the current one)' }],
  examples: ['defacto integrate dagster --out orchestration', 'defacto integrate airflow --out dags'],
  async run(context, [name = ''], options) {
    const kit = KITS[name]
    if (kit === undefined) throw new UsageError(`integrate takes one of ${Object.keys(KITS).join(', ')}, not '${name}'`)
    const from = join(packageRoot(import.meta.dirname), kit.folder)
    const out = resolve(context.cwd, text(options, 'out') ?? '.')
    const files = readdirSync(from).filter((file) => file.endsWith('.py'))
    const there = files.filter((file) => existsSync(join(out, file)))
    if (there.length > 0) {
      await context.confirm(
        `${there.map((file) => relative(context.cwd, join(out, file))).join(', ')} exist; overwrite?`,
      )
    }
    mkdirSync(out, { recursive: true })
    for (const file of files) cpSync(join(from, file), join(out, file))
    const written = files.map((file) => relative(context.cwd, join(out, file)))
    return { data: { files: written }, receipt: true, text: `wrote ${written.join(', ')}\nnext: ${kit.next}` }
  },
}

function packageRoot(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json')) && existsSync(join(folder, 'infra', 'dagster'))) return folder
    if (dirname(folder) === folder) throw new ConfigError('the files are not part of this installation')
  }
}
