/** A loaded project as orchestration needs it: its pipelines, limits and secrets (spec 10 §3, §7.2). */
import type { LoadedProject } from './config/project.ts'
import { parseDurationText } from './core/instant.ts'
import type { Pipeline } from './core/pipeline/model.ts'
import { Definitions } from './definitions.ts'
import { checksOf } from './orchestration/checks/code.ts'
import type { ProjectAccess } from './orchestration/contract.ts'
import { readPipeline } from './orchestration/pipeline/read.ts'
import { assertProject } from './project-check.ts'

const DAY = 86_400_000
/** Ages after which metadata go (spec 10 §2). */
const METADATA = { runs: 180, ticks: 180, checks: 180, logs: 30, deadLetters: 90 } as const

export function projectAccess(loaded: LoadedProject): ProjectAccess {
  return {
    folder: loaded.root,
    pipelines: async () => {
      const definitions = await Definitions.fromDirectory(loaded.definitions)
      assertProject(loaded, definitions)
      const found = new Map<string, { readonly pipeline: Pipeline; readonly body: unknown }>()
      for (const [name, body] of Object.entries(definitions.toObject().pipelines)) {
        found.set(name, { pipeline: readPipeline(name, body), body })
      }
      return found
    },
    resolve: (text) => loaded.resolve(text),
    pools: loaded.pools(),
    checks: checksOf(loaded.value('checks')),
    metadata: {
      runs: age(loaded, 'runs'),
      ticks: age(loaded, 'ticks'),
      checks: age(loaded, 'checks'),
      logs: age(loaded, 'logs'),
      deadLetters: age(loaded, 'deadLetters'),
    },
  }
}

function age(loaded: LoadedProject, kind: keyof typeof METADATA): number {
  const text = loaded.value('retention', 'metadata', kind)
  return (typeof text === 'string' ? parseDurationText(text)?.ms : undefined) ?? METADATA[kind] * DAY
}
