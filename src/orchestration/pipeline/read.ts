/** Pipelines as runs read them, from the definitions or from the body a run has pinned (spec 10 §3.1). */
import { Issues } from '../../core/definition/issues.ts'
import { readBody } from '../../core/pipeline/body.ts'
import type { Pipeline } from '../../core/pipeline/model.ts'
import { normalizePipeline } from '../../core/pipeline/normalize.ts'
import { DefinitionError } from '../../errors.ts'

/**
 * The normalised pipeline of a body that was checked. `DefinitionError` if its shape is wrong all the same: pinned by
 * another version of the package, say.
 */
export function readPipeline(name: string, body: unknown): Pipeline {
  const issues = new Issues()
  const read = readBody(body, name, issues)
  const errors = issues.list.filter(({ severity }) => severity === 'error')
  if (read === undefined || errors.length > 0) {
    const texts = errors.map(({ code, path, message }) => `${code} ${path}: ${message}`)
    throw new DefinitionError(`pipeline '${name}' cannot be used: ${texts[0] ?? 'it is no map'}`, {
      details: { errors: texts, issues: errors },
    })
  }
  return normalizePipeline(name, read, body)
}
