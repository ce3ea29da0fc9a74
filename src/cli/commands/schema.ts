import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { CommandSpec } from '../command.ts'
import { UsageError } from '../errors.ts'
import { text } from '../options.ts'
import { SCHEMA_KINDS, type SchemaKind, schemaFiles, schemaOf } from '../schemas.ts'

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
    await mkdir(folder, { recursive: true })
    for (const { file, text: schema } of files) await writeFile(join(folder, file), schema)
    const written = files.map(({ file }) => join(folder, file))
    return { data: { files: written }, text: written.join('\n') }
  },
}

/** `entity`, `Entities` and `entities` are one kind. */
function kindOf(word: string): SchemaKind {
  const wanted = word.toLowerCase()
  const found = SCHEMA_KINDS.find((kind) => kind === wanted || kind.replace(/ies$/, 'y').replace(/s$/, '') === wanted)
  if (found === undefined) throw new UsageError(`there is no schema '${word}'; kinds: ${SCHEMA_KINDS.join(', ')}`)
  return found
}
