/** Compiling one source definition with the schemas of its events (spec 01 §3, §4). */
import { CoercionFailure, coerce } from '../coerce.ts'
import type { DefinitionsObject, MappingDef, SchemaDef, SourceDef, SourceEventDef } from '../definition/model.ts'
import { compareUtf8 } from '../event-id.ts'
import { compile } from '../expression/compile.ts'
import { compileRegex } from '../expression/regex.ts'
import { MAPPING } from '../expression/scope.ts'
import { rawPath } from '../raw-path.ts'
import type { Value } from '../value.ts'
import type { Identities } from './entity.ts'
import type {
  CompiledEvent,
  CompiledEventId,
  CompiledHints,
  CompiledMapping,
  CompiledSchemaField,
  CompiledSource,
  SchemaMode,
} from './types.ts'

export function compileSource(
  name: string,
  source: SourceDef,
  definitions: DefinitionsObject,
  identities: Identities,
  schemaMode: SchemaMode,
): CompiledSource {
  const byRawType = new Map<string, CompiledEvent>()
  const byType = new Map<string, CompiledEvent>()
  for (const [type, definition] of Object.entries(source.events)) {
    const schema =
      schemaMode !== 'off' && Object.hasOwn(definitions.schemas, type) ? definitions.schemas[type] : undefined
    const event = compileEvent(type, definition, source, identities, schema, schemaMode)
    byType.set(type, event)
    byRawType.set(definition.raw_type ?? type, event)
  }
  return { name, eventType: rawPath(source.event_type), timestamp: rawPath(source.timestamp), byRawType, byType }
}

function compileEvent(
  type: string,
  definition: SourceEventDef,
  source: SourceDef,
  identities: Identities,
  schema: SchemaDef | undefined,
  schemaMode: SchemaMode,
): CompiledEvent {
  const mappings = Object.entries(definition.mappings).map(([field, mapping]) => compileMapping(field, mapping))
  const indexOf = new Map(mappings.map((mapping, index) => [mapping.field, index]))
  return {
    type,
    mappings,
    hints: compileHints(definition, indexOf, identities),
    identifier: compileEventId(type, definition.event_id ?? source.event_id, indexOf),
    schema: schema === undefined ? null : compileSchema(schema, indexOf),
    schemaAdvisory: schemaMode === 'warn',
    typed: mappings.flatMap(({ field, type: declared }) =>
      declared === 'number' || declared === 'datetime' ? [{ field, type: declared }] : [],
    ),
  }
}

function compileMapping(field: string, mapping: MappingDef): CompiledMapping {
  const type = mapping.type ?? null
  return {
    field,
    jsonKey: `${JSON.stringify(field)}:`,
    path: mapping.from === undefined ? null : rawPath(mapping.from),
    compute: mapping.compute === undefined ? null : compile(mapping.compute, MAPPING),
    type,
    default: defaultOf(field, mapping),
  }
}

function defaultOf(field: string, mapping: MappingDef): Value {
  const literal = mapping.default ?? null
  if (mapping.type === undefined || literal === null) return literal
  const value = coerce(literal, mapping.type)
  if (value instanceof CoercionFailure) throw new Error(`default of mapping '${field}' is no ${mapping.type}`)
  return value
}

function compileHints(
  definition: SourceEventDef,
  indexOf: ReadonlyMap<string, number>,
  identities: Identities,
): CompiledHints[] {
  return Object.entries(definition.hints).map(([entityType, fields]) => ({
    entityType,
    jsonKey: `${JSON.stringify(entityType)}:`,
    fields: [...new Set(fields)].flatMap((field) => {
      const identity = identities.get(entityType)?.get(field)
      const mapping = indexOf.get(field)
      if (identity === undefined || mapping === undefined) return []
      return [{ identity, mapping, jsonKey: `${JSON.stringify(field)}:` }]
    }),
  }))
}

function compileEventId(
  type: string,
  listed: readonly string[] | undefined,
  indexOf: ReadonlyMap<string, number>,
): CompiledEventId {
  const names = [...new Set(listed ?? indexOf.keys())].sort(compareUtf8)
  return {
    head: `${type}|`,
    parts: names.map((name) => {
      const mapping = indexOf.get(name) ?? -1
      return { name, jsonHead: `[${JSON.stringify(name)},`, mapping, path: mapping < 0 ? rawPath(name) : null }
    }),
    listed: listed !== undefined,
  }
}

function compileSchema(schema: SchemaDef, indexOf: ReadonlyMap<string, number>): CompiledSchemaField[] {
  return Object.entries(schema.fields).map(([field, rule]) => ({
    field,
    mapping: indexOf.get(field) ?? -1,
    type: rule.type,
    required: rule.required ?? false,
    allowed: rule.allowed ?? null,
    min: rule.min ?? null,
    max: rule.max ?? null,
    minLength: rule.min_length ?? null,
    regex: rule.regex === undefined ? null : compileRegex(rule.regex),
  }))
}
