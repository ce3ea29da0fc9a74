/** A project on disk with people, a pipeline and input files, for tests of runs. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type ConnectOptions, Orchestrator } from '../../src/orchestrator.ts'
import { people } from './people.ts'

export interface TestProject {
  readonly folder: string
  /** Connects without a server; closed with the project. */
  connect(options?: ConnectOptions): Promise<Orchestrator>
  write(path: string, text: string): Promise<void>
  pipelines(pipelines: object): Promise<void>
  close(): Promise<void>
}

export async function testProject(
  pipelines: object,
  config: Readonly<Record<string, unknown>> = {},
): Promise<TestProject> {
  const folder = await mkdtemp(join(tmpdir(), 'defacto-runs-'))
  const opened: Orchestrator[] = []
  const write = async (path: string, text: string): Promise<void> => {
    const target = join(folder, path)
    await mkdir(dirname(target), { recursive: true })
    await writeFile(target, text)
  }
  const project: TestProject = {
    folder,
    write,
    pipelines: (given) => write('pipelines/all.yaml', JSON.stringify(given)),
    async connect(options = {}) {
      const orchestrator = await Orchestrator.connect(folder, {
        engine: 'local',
        ...options,
        options: { logLevel: 'ERROR', ...options.options },
      })
      opened.push(orchestrator)
      return orchestrator
    },
    async close() {
      for (const orchestrator of opened) await orchestrator.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
  const { entities, sources } = people() as { entities: object; sources: object }
  await write('entities/all.yaml', JSON.stringify(entities))
  await write('sources/all.yaml', JSON.stringify(sources))
  await write('defacto.config.yaml', JSON.stringify({ deadLetter: { type: 'file' }, ...config }))
  await project.pipelines(pipelines)
  return project
}

/** Lines of `count` people who joined, from number `from` on. */
export function joined(count: number, from = 0): string {
  const lines: string[] = []
  for (let i = from; i < from + count; i++) {
    const at = new Date(Date.UTC(2024, 0, 1) + i * 60_000).toISOString()
    lines.push(JSON.stringify({ kind: 'joined', at, mail: `p${i}@example.test`, card: `c${i}` }))
  }
  return `${lines.join('\n')}\n`
}

/** Reads `in/*.ndjson`, then builds and applies time rules. */
export const nightly = {
  inputs: { files: { source: 'web', kind: 'files', path: 'in/*.ndjson', settle: '0s', batch: 20 } },
  steps: ['ingest', 'build', 'tick'],
}
