import { existsSync } from 'node:fs'
import { ConfigError } from '../../errors.ts'
import type { CommandSpec } from '../command.ts'
import { flag } from '../options.ts'

export const command: CommandSpec = {
  name: 'migrate',
  summary: 'bring the database tables up to date',
  options: [{ flags: '--check', description: 'change nothing; fail if something is to be done' }],
  examples: ['defacto migrate --check', 'defacto migrate'],
  async run(context, _args, options) {
    const check = flag(options, 'check')
    const database = String((await context.project()).value('database'))
    if (check && isFile(database) && !existsSync(database)) {
      throw new ConfigError(`the database ${database} has no tables yet; run \`defacto migrate\``, {
        code: 'E_MIGRATION',
      })
    }
    const defacto = await context.open({ migrations: check ? 'check' : 'auto', activate: 'never' })
    const { location } = await defacto.stats()
    return { data: { location, current: true }, receipt: true, text: `${location}: tables are up to date` }
  },
}

function isFile(database: string): boolean {
  return !/^[a-z][a-z0-9+.-]*:/i.test(database) && database !== ':memory:'
}
