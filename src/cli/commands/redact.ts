import type { CommandSpec } from '../command.ts'
import { REQUEST_OPTIONS, requested } from './erase.ts'

export const command: CommandSpec = {
  name: 'redact',
  summary: "take an entity's sensitive values away, and keep the entity and its history",
  options: [
    ...REQUEST_OPTIONS,
    { flags: '--once', description: 'do not treat later events of the same person (default: treat them on arrival)' },
  ],
  examples: ['defacto redact --hint customer.email=ann@x.io', 'defacto redact --entity 6f1c… --once --yes'],
  run: (context, _args, options) => requested(context, 'redact', options),
}
