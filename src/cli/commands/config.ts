import type { CommandSpec } from '../command.ts'
import { flag } from '../options.ts'
import { tableText } from '../table.ts'

const show: CommandSpec = {
  name: 'show',
  summary: 'every setting in force; secrets as ***',
  options: [{ flags: '--origin', description: 'also where each value comes from' }],
  examples: ['defacto config show --origin', 'DEFACTO_NAMESPACE=demo defacto config show -o json'],
  async run(context, _args, options) {
    const withOrigin = flag(options, 'origin')
    const project = await context.project()
    const settings = project.shown()
    if (project.ignoredVariables.length > 0)
      context.output.note(`not settings, ignored: ${project.ignoredVariables.join(', ')}`)
    const about = { project: project.root, file: project.file, profile: project.profile }
    const rows = settings.map(({ key, value, origin }) => ({ key, value, ...(withOrigin ? { origin } : {}) }))
    return {
      data: { ...about, settings: rows },
      rows,
      text: (output) => {
        const head = `${output.paint.dim('project')} ${about.project}\n${output.paint.dim('file   ')} ${about.file ?? '—'}`
        return `${head}${about.profile === null ? '' : `\n${output.paint.dim('profile')} ${about.profile}`}\n\n${tableText(output, rows)}`
      },
    }
  },
}

export const command: CommandSpec = {
  name: 'config',
  summary: 'show the configuration and where it comes from',
  subcommands: [show],
}
