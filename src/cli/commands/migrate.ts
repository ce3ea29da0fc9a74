import type { CommandSpec } from '../command.ts'
import { flag } from '../options.ts'

export const command: CommandSpec = {
  name: 'migrate',
  summary: 'bring the database tables up to date',
  options: [{ flags: '--check', description: 'change nothing; fail if something is to be done' }],
  examples: ['defacto migrate --check', 'defacto migrate'],
  async run(context, _args, options) {
    const check = flag(options, 'check')
    const defacto = await context.open({ migrations: check ? 'check' : 'auto', activate: 'never' })
    const { location } = await defacto.stats()
    return { data: { location, current: true }, text: `${location}: tables are up to date` }
  },
}
