import { relative } from 'node:path'
import type { Issue } from '../../core/definition/model.ts'
import { DefinitionError } from '../../errors.ts'
import type { Paint } from '../colour.ts'
import type { CommandSpec } from '../command.ts'
import type { Context } from '../context.ts'
import { CHECKED } from '../errors.ts'
import { flag } from '../options.ts'
import { printable } from '../table-text.ts'

export const command: CommandSpec = {
  name: 'check',
  summary: 'check the definitions, with file, line and column',
  options: [{ flags: '--strict', description: 'unknown keys are errors' }],
  examples: ['defacto check', 'defacto check --strict -o json'],
  async run(context, _args, options) {
    const project = await context.project()
    const strict = flag(options, 'strict') || project.value('strict') === true
    const found = await issuesOf(context, strict)
    const errors = found.issues.filter(({ severity }) => severity === 'error').length
    const warnings = found.issues.length - errors
    const verdict = `${plural(errors, 'error')}, ${plural(warnings, 'warning')}`
    const folder = relative(context.cwd, project.definitions) || '.'
    return {
      data: {
        valid: errors === 0,
        errors,
        warnings,
        definitions: project.definitions,
        counts: found.counts,
        issues: found.issues,
      },
      rows: found.issues.map((issue) => ({ ...issue })),
      text: ({ paint }) => {
        const lines = found.issues.map((issue) => issueLine(issue, paint, folder))
        const counted = Object.entries(found.counts ?? {})
          .filter(([, number]) => number > 0)
          .map(([kind, number]) => `${number} ${number === 1 ? kind.replace(/ies$/, 'y').replace(/s$/, '') : kind}`)
        const head = errors === 0 ? paint.green('definitions are valid') : paint.red('definitions are not valid')
        return [
          ...lines,
          ...(lines.length > 0 ? [''] : []),
          `${head}: ${verdict}${counted.length > 0 ? ` in ${counted.join(', ')}` : ''}`,
        ].join('\n')
      },
      error:
        errors === 0
          ? undefined
          : new DefinitionError(`${CHECKED}${verdict}`, {
              details: {
                errors: found.issues
                  .filter(({ severity }) => severity === 'error')
                  .map((issue) => issueLine(issue, null, '.')),
              },
            }),
    }
  },
}

interface Found {
  readonly issues: readonly Issue[]
  /** How many definitions of each kind; null if the files could not be read. */
  readonly counts: Readonly<Record<string, number>> | null
}

async function issuesOf(context: Context, strict: boolean): Promise<Found> {
  const project = await context.project()
  const { Definitions } = await import('../../index.ts')
  try {
    const definitions = await Definitions.fromDirectory(project.definitions)
    const { checkProject } = await import('../../project-check.ts')
    const { issues } = checkProject(project, definitions, { strict, profiles: true })
    const counts = Object.fromEntries(
      Object.entries(definitions.toObject()).map(([kind, named]) => [kind, Object.keys(named).length]),
    )
    return { issues, counts }
  } catch (error) {
    // Files that are no YAML leave nothing to look into, but their findings are findings like any other.
    const issues = error instanceof DefinitionError ? error.details['issues'] : undefined
    if (!Array.isArray(issues) || issues.length === 0) throw error
    return { issues: issues as Issue[], counts: null }
  }
}

/** `entities/shop.yaml:12:7  error E05  message`, the place as an editor can jump to it. */
function issueLine(issue: Issue, paint: Paint | null, folder: string): string {
  const place = issue.place === null ? issue.path : folder === '.' ? issue.place : `${folder}/${issue.place}`
  const severity =
    paint === null ? issue.severity : issue.severity === 'error' ? paint.red('error') : paint.yellow('warning')
  const code = paint === null ? issue.code : paint.dim(issue.code)
  return `${place === '' ? '' : `${printable(place)}: `}${severity} ${code} ${printable(issue.message)}`
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
