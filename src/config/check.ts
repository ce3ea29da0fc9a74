/** One layer of configuration checked against the table of keys, and flattened into settings with their origin. */
import { parseDurationText } from '../core/instant.ts'
import { closest } from '../core/spelling.ts'
import { ConfigError } from '../errors.ts'
import { CONFIG, canonicalKey, type KeyKind, pathText, snakeKey } from './keys.ts'
import { hasReference } from './secrets.ts'

/** One value of the configuration. Text may still hold `${env:…}` references. */
export interface Setting {
  readonly path: readonly string[]
  readonly kind: KeyKind
  readonly value: unknown
  /** `flag --database`, `DEFACTO_DATABASE`, `defacto.config.yaml:3:11`, `default`. */
  readonly origin: string
  /** Folder that relative paths of this value start from. */
  readonly base: string
}

/** Where a layer's values come from; `place` names the position of a path as the layer spells it. */
export interface LayerSource {
  readonly place: (spelled: readonly string[]) => string
  readonly base: string
  /** Values are text (variables, flags): numbers, booleans and lists are read from it. */
  readonly textual?: boolean
  /** Told about an unknown key that resembles no known one; without it, that is an error too. */
  readonly ignore?: (spelled: readonly string[]) => void
}

/** Settings of a map; unknown keys and wrong kinds are a `ConfigError` with place and suggestion. */
export function settingsOf(value: unknown, source: LayerSource, kind: KeyKind = CONFIG): Setting[] {
  const settings: Setting[] = []
  walk(value, kind, [], [], source, settings)
  return settings
}

function walk(
  value: unknown,
  kind: KeyKind,
  path: readonly string[],
  spelled: readonly string[],
  source: LayerSource,
  settings: Setting[],
): void {
  if (value === undefined || value === null) return
  const origin = source.place(spelled)
  if (kind.kind === 'group' || kind.kind === 'named') {
    if (kind.kind === 'group' && kind.short !== undefined && typeof value === 'string') {
      const inner = kind.keys[kind.short] as KeyKind
      settings.push({
        path: [...path, kind.short],
        kind: inner,
        value: leaf(value, inner, path, origin, source),
        origin,
        base: source.base,
      })
      return
    }
    if (!isMap(value)) throw wrong(path, origin, 'a map', value)
    const seen = new Map<string, string>()
    for (const [key, item] of Object.entries(value)) {
      const name = kind.kind === 'named' ? key : canonicalKey(kind.keys, key)
      if (name === undefined) {
        const error = unknownKey(key, kind as KeyKind & { kind: 'group' }, path, source.place([...spelled, key]))
        if (source.ignore === undefined || error.details['suggestion'] !== null) throw error
        source.ignore([...spelled, key])
        continue
      }
      const other = seen.get(name)
      if (other !== undefined) {
        throw new ConfigError(`${source.place([...spelled, key])}: '${key}' and '${other}' are the same key`)
      }
      seen.set(name, key)
      const next = kind.kind === 'named' ? kind.of : (kind.keys[name] as KeyKind)
      walk(item, next, [...path, name], [...spelled, key], source, settings)
    }
    return
  }
  settings.push({ path, kind, value: leaf(value, kind, path, origin, source), origin, base: source.base })
}

/** The value of a leaf in its kind. A reference to a secret is text whatever the kind; it is read when it is used. */
function leaf(value: unknown, kind: KeyKind, path: readonly string[], origin: string, source: LayerSource): unknown {
  if (kind.kind !== 'open' && typeof value === 'string' && hasReference(value)) return value
  return readLeaf(value, kind, path, origin, source.textual === true)
}

/** Checks one value; with `textual`, numbers, booleans, lists and JSON are read from text. */
export function readLeaf(
  value: unknown,
  kind: KeyKind,
  path: readonly string[],
  origin: string,
  textual: boolean,
): unknown {
  switch (kind.kind) {
    case 'text':
      if (typeof value === 'number' && !textual) return String(value)
      if (typeof value !== 'string') throw wrong(path, origin, 'text', value)
      if (value.trim() === '') throw new ConfigError(`${origin}: '${pathText(path)}' must not be empty`)
      return value
    case 'choice': {
      const found = kind.of.find((item) => item.toLowerCase() === String(value).toLowerCase())
      if (found !== undefined) return found
      const guess = closest(String(value), kind.of)
      throw new ConfigError(
        `${origin}: '${pathText(path)}' must be one of ${kind.of.join(', ')}${guess ? `; did you mean '${guess}'?` : ''}`,
      )
    }
    case 'integer': {
      const number = textual && typeof value === 'string' && /^\s*-?\d+\s*$/.test(value) ? Number(value) : value
      if (!Number.isSafeInteger(number) || (number as number) < kind.least) {
        throw new ConfigError(`${origin}: '${pathText(path)}' must be a whole number of at least ${kind.least}`)
      }
      return number
    }
    case 'boolean': {
      if (typeof value === 'boolean') return value
      const word = textual && typeof value === 'string' ? value.trim().toLowerCase() : null
      if (word === 'true' || word === '1' || word === 'yes') return true
      if (word === 'false' || word === '0' || word === 'no') return false
      throw wrong(path, origin, 'true or false', value)
    }
    case 'duration': {
      const parsed = typeof value === 'string' ? parseDurationText(value) : null
      if (parsed === null || parsed.ms <= 0) throw wrong(path, origin, 'a duration like 30s, 5m, 12h or 180d', value)
      return value
    }
    case 'list': {
      if (typeof value === 'string') return textual ? value.split(',').map((item) => item.trim()) : [value]
      if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
      throw wrong(path, origin, 'text or a list of texts', value)
    }
    case 'items':
      return readItems(textual ? fromJson(value) : value, kind.of, path, origin)
    default:
      return textual ? fromJson(value) : value
  }
}

function fromJson(value: unknown): unknown {
  if (typeof value !== 'string') return value
  try {
    return JSON.parse(value) as unknown
  } catch {
    return value
  }
}

/** A list of maps with these texts; the first of them is the item's own name. */
function readItems(value: unknown, keys: readonly string[], path: readonly string[], origin: string): unknown {
  const items: unknown[] = Array.isArray(value) ? value : [value]
  const names = new Set<unknown>()
  for (const item of items) {
    if (!isMap(item)) throw wrong(path, origin, `a list of {${keys.join(', ')}}`, item)
    for (const key of Object.keys(item)) {
      if (keys.includes(key)) continue
      const guess = closest(key, keys)
      throw new ConfigError(
        `${origin}: unknown key '${key}' under '${pathText(path)}'${guess ? `; did you mean '${guess}'?` : `; known: ${keys.join(', ')}`}`,
        { code: 'E_CONFIG_UNKNOWN_KEY', details: { key, path: pathText([...path, key]), suggestion: guess } },
      )
    }
    for (const key of keys) {
      const text = item[key]
      if (typeof text === 'string' && text.trim() !== '') continue
      throw new ConfigError(`${origin}: every item of '${pathText(path)}' needs '${key}' as text`)
    }
    const name = item[keys[0] as string]
    if (names.has(name)) throw new ConfigError(`${origin}: '${pathText(path)}' has '${String(name)}' twice`)
    names.add(name)
  }
  return items
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function wrong(path: readonly string[], origin: string, want: string, value: unknown): ConfigError {
  const got = Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'a map' : `a ${typeof value}`
  const name = path.length === 0 ? 'the configuration' : `'${pathText(path)}'`
  return new ConfigError(`${origin}: ${name} must be ${want}, not ${got === 'a string' ? 'this text' : got}`)
}

function unknownKey(
  key: string,
  kind: KeyKind & { kind: 'group' },
  path: readonly string[],
  place: string,
): ConfigError {
  const known = Object.keys(kind.keys).map(snakeKey)
  const guess = closest(snakeKey(key), known)
  const where = path.length === 0 ? '' : ` under '${pathText(path)}'`
  return new ConfigError(
    `${place}: unknown key '${key}'${where}${guess ? `; did you mean '${guess}'?` : `; known: ${known.join(', ')}`}`,
    { code: 'E_CONFIG_UNKNOWN_KEY', details: { key, path: pathText([...path, key]), suggestion: guess ?? null } },
  )
}
