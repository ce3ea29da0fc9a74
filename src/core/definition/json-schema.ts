/** JSON Schema draft-07 of the definition files, for editors (spec 01 §2–4, 10 §3). Made from the one model of `shape.ts`. */
import { z } from 'zod'
import { rules } from './rules.ts'
import { type Kind, kindShapes } from './shape.ts'

export type JsonSchema = Readonly<Record<string, unknown>>

const TITLES: Readonly<Record<Kind, string>> = {
  entities: 'defacto entities',
  sources: 'defacto sources',
  schemas: 'defacto schemas',
  pipelines: 'defacto pipelines',
}

/** Schema of a file of this kind: definitions by name. Accepts what `validate` accepts without unknown keys. */
export function jsonSchemaOf(kind: Kind): JsonSchema {
  const schema = z.toJSONSchema(kindShapes[kind], {
    target: 'draft-07',
    io: 'input',
    override: ({ zodSchema, jsonSchema }) => {
      const node = zodSchema as z.core.$ZodType
      if (node instanceof z.ZodObject) {
        // Accepted silently everywhere (spec 01 §1.4).
        jsonSchema.properties = { ...jsonSchema.properties, description: jsonSchema.properties?.['description'] ?? {} }
        jsonSchema.patternProperties = { '^x-': {} }
      }
      if (node instanceof z.ZodRecord && rules.get(node)?.extras) {
        jsonSchema.patternProperties = { '^x-': {} }
        const names = jsonSchema.propertyNames
        if (names) jsonSchema.propertyNames = { anyOf: [names as z.core.JSONSchema.JSONSchema, { pattern: '^x-' }] }
      }
    },
  })
  return { ...schema, title: TITLES[kind] }
}
