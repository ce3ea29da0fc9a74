/** The check of a project's definitions and pipelines against its configuration (spec 10 §3.8). */
import type { LoadedProject } from './config/project.ts'
import type { Issue } from './core/definition/model.ts'
import { parsePath, pathText } from './core/definition/path.ts'
import { resultOf, type ValidationResult } from './core/definition/validate.ts'
import { definitionError } from './definition-parts.ts'
import type { Definitions } from './definitions.ts'
import { projectIssues } from './orchestration/pipeline/check-project.ts'

export interface ProjectCheckOptions {
  /** Unknown keys are errors. */
  readonly strict?: boolean
  /** Where no profile is chosen, what one of them sets counts as set: nobody runs anything yet. */
  readonly profiles?: boolean
}

/** Findings of `Definitions.validate`, and what only the project can tell. */
export function checkProject(
  project: LoadedProject,
  definitions: Definitions,
  { strict = false, profiles = false }: ProjectCheckOptions = {},
): ValidationResult {
  const keys = project.keys({ profiles })
  const expressionClock = project.value('expressionClock') as 'event' | 'wall' | undefined
  const own = definitions.validate({ strict, ...(expressionClock ? { expressionClock } : {}) })
  const damaged = own.issues.some((issue) => issue.severity === 'error' && parsePath(issue.path)?.[0] !== 'pipelines')
  const found: readonly Issue[] = projectIssues(
    definitions.toObject(),
    { at: (path) => definitions.place(pathText(path)) },
    {
      coldTier: keys.some(([first]) => first === 'coldLedger'),
      pools: keys.flatMap(([first, name]) => (first === 'pools' && name !== undefined ? [name] : [])),
      dialect: /^postgres(ql)?:/i.test(String(project.value('database'))) ? 'postgres' : 'sqlite',
      tables: !damaged,
      profilesWith: (...path) => project.profilesThatSet(...path),
    },
  )
  return resultOf([...own.issues, ...found], { strict })
}

/** Like `checkProject`; throws `DefinitionError` if there are errors. */
export function assertProject(project: LoadedProject, definitions: Definitions): ValidationResult {
  const result = checkProject(project, definitions)
  if (!result.valid) throw definitionError(result)
  return result
}
