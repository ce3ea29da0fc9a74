/** The part of JSON Schema draft-07 that our editor schemas use, for checking values against them. */
type Schema = boolean | { readonly [key: string]: unknown }
const KNOWN = new Set([
  ...['$schema', 'title', 'description', 'definitions', '$ref', 'type', 'enum', 'const', 'anyOf', 'allOf', 'not'],
  ...['properties', 'required', 'additionalProperties', 'patternProperties', 'propertyNames'],
  ...['items', 'minItems', 'minLength', 'maxLength', 'pattern', 'minimum', 'exclusiveMinimum', 'maximum', 'default'],
])

/** Paths at which the value breaks the schema. Throws on keywords it does not know. */
export function violations(root: Schema, value: unknown): string[] {
  const check = (schema: Schema, at: unknown, path: string): string[] => {
    if (typeof schema === 'boolean') return schema ? [] : [path]
    for (const key of Object.keys(schema)) if (!KNOWN.has(key)) throw new Error(`unknown keyword ${key}`)
    if (typeof schema.$ref === 'string') return check(resolve(root, schema.$ref), at, path)
    const out: string[] = []
    const anyOf = schema.anyOf as Schema[] | undefined
    if (anyOf && !anyOf.some((option) => check(option, at, path).length === 0)) out.push(path)
    for (const option of (schema.allOf as Schema[] | undefined) ?? []) out.push(...check(option, at, path))
    const types = [schema.type ?? []].flat() as string[]
    if (types.length > 0 && !types.some((type) => isType(type, at))) out.push(path)
    if (Array.isArray(schema.enum) && !schema.enum.includes(at)) out.push(path)
    if ('const' in schema && schema.const !== at) out.push(path)
    if (typeof at === 'string') {
      if (typeof schema.pattern === 'string' && !new RegExp(schema.pattern).test(at)) out.push(path)
      if (typeof schema.minLength === 'number' && at.length < schema.minLength) out.push(path)
      if (typeof schema.maxLength === 'number' && at.length > schema.maxLength) out.push(path)
    }
    if (typeof at === 'number') {
      if (typeof schema.minimum === 'number' && at < schema.minimum) out.push(path)
      if (typeof schema.exclusiveMinimum === 'number' && at <= schema.exclusiveMinimum) out.push(path)
      if (typeof schema.maximum === 'number' && at > schema.maximum) out.push(path)
    }
    if (Array.isArray(at)) {
      if (typeof schema.minItems === 'number' && at.length < schema.minItems) out.push(path)
      if (schema.items)
        for (const [i, item] of at.entries()) out.push(...check(schema.items as Schema, item, `${path}[${i}]`))
    } else if (typeof at === 'object' && at !== null)
      out.push(...checkObject(schema, at as Record<string, unknown>, path))
    return out
  }
  const checkObject = (
    schema: { readonly [key: string]: unknown },
    at: Record<string, unknown>,
    path: string,
  ): string[] => {
    const out: string[] = []
    const properties = (schema.properties ?? {}) as Record<string, Schema>
    const patterns = Object.entries((schema.patternProperties ?? {}) as Record<string, Schema>)
    for (const key of (schema.required as string[] | undefined) ?? [])
      if (!Object.hasOwn(at, key)) out.push(`${path}.${key}`)
    for (const [key, member] of Object.entries(at)) {
      const here = `${path}.${key}`
      if (schema.propertyNames) out.push(...check(schema.propertyNames as Schema, key, here))
      const matching = patterns.filter(([pattern]) => new RegExp(pattern).test(key)).map(([, s]) => s)
      if (Object.hasOwn(properties, key)) matching.push(properties[key]!)
      if (matching.length === 0) matching.push((schema.additionalProperties ?? true) as Schema)
      for (const one of matching) out.push(...check(one, member, here))
    }
    return out
  }
  return check(root, value, '')
}

function resolve(root: Schema, ref: string): Schema {
  let at: unknown = root
  for (const step of ref.replace(/^#\/?/, '').split('/').filter(Boolean)) at = (at as Record<string, unknown>)[step]
  return at as Schema
}

function isType(type: string, value: unknown): boolean {
  if (type === 'null') return value === null
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value)
  if (type === 'integer') return Number.isInteger(value)
  return typeof value === type
}
