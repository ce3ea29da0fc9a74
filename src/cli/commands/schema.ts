import { join, resolve } from 'node:path'
import { closest } from '../../core/spelling.ts'
import type { CommandSpec } from '../command.ts'
import { UsageError } from '../errors.ts'
import { text } from '../options.ts'
import { SCHEMA_KINDS, type SchemaKind, schemaFiles, schemaOf } from '../schemas.ts'
import { writeFiles } from '../write.ts'

export const command: CommandSpec = {
  name: 'schema',
  summary: 'print or write the JSON Schema (draft-07) of definition files',
  arguments: [['[kind]', `${SCHEMA_KINDS.join(', ')}; all of them need --out`]],
  options: [{ flags: '--out <dir>', description: 'write <kind>.json files into this folder' }],
  examples: ['defacto schema entities > entities.schema.json', 'defacto schema --out .defacto/schema'],
  async run(context, [given], options) {
    const kind = given === undefined ? null : kindOf(given)
    const out = text(options, 'out')
    if (out === undefined) {
      if (kind === null) throw new UsageError('name a kind, or a folder for all of them with --out')
      const schema = await schemaOf(kind)
      return { data: schema, text: JSON.stringify(schema, null, 2) }
    }
    const folder = resolve(context.cwd, out)
    const files = (await schemaFiles()).filter((file) => kind === null || file.kind === kind)
    await writeFiles(
      folder,
      files.map(({ file, text: schema }) => [file, schema]),
    )
    const written = files.map(({ file }) => join(folder, file))
    return { data: { files: written }, text: written.join('\n') }
  },
}

/** `entity`, `Entities` and `entities` are one kind. */
function kindOf(word: string): SchemaKind {
  const wanted = word.toLowerCase()
  const found = SCHEMA_KINDS.find((kind) => kind === wanted || kind.replace(/ies$/, 'y').replace(/s$/, '') === wanted)
  if (found === undefined) {
    const guess = closest(wanted, SCHEMA_KINDS)
    const help = guess === null ? '' : `, did you mean '${guess}'?`
    throw new UsageError(`there is no schema '${word}'${help}; kinds: ${SCHEMA_KINDS.join(', ')}`)
  }
  return found
}
