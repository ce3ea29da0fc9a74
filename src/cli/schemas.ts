/** JSON Schema (draft-07) of definition files, as text for editors. */

/** Where `init` puts the schemas and modelines point to. */
export const SCHEMA_FOLDER = '.defacto/schema'

export const SCHEMA_KINDS = ['entities', 'sources', 'schemas', 'pipelines'] as const
export type SchemaKind = (typeof SCHEMA_KINDS)[number]

/** The kind of definitions in a file of a project; null for other files. `events/` is the second name of `schemas/`. */
export function kindOfFolder(path: string): SchemaKind | null {
  const match = /^(entities|sources|schemas|events|pipelines)\/[^/]+\.ya?ml$/.exec(path)
  return match === null ? null : match[1] === 'events' ? 'schemas' : (match[1] as SchemaKind)
}

export async function schemaOf(kind: SchemaKind): Promise<object> {
  const { jsonSchemaOf } = await import('../core/definition/json-schema.ts')
  return jsonSchemaOf(kind)
}

/** All of them as files. */
export async function schemaFiles(): Promise<{ kind: SchemaKind; file: string; text: string }[]> {
  return Promise.all(
    SCHEMA_KINDS.map(async (kind) => ({
      kind,
      file: `${kind}.json`,
      text: `${JSON.stringify(await schemaOf(kind), null, 2)}\n`,
    })),
  )
}
