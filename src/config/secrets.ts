/** `${env:NAME}`, `${env:NAME:-default}` and `${file:PATH}` in any text (spec 10 §7.2): resolved when used, never shown. */
import { readFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { REFERENCE } from '../core/secret-text.ts'
import { ConfigError } from '../errors.ts'

export { hasClearPassword, hasReference } from '../core/secret-text.ts'

export interface SecretSources {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Folder that `${file:…}` starts from. */
  readonly base: string
  /** Key and place for messages. */
  readonly where: string
}

/** The text with its references replaced; a missing secret is a `ConfigError` naming it, never its value. */
export function resolveText(text: string, sources: SecretSources): string {
  const [meant, name] = /\$\{([A-Z_][A-Z0-9_]*)\}/.exec(text) ?? []
  if (meant !== undefined) {
    // As shells and other tools write it; taken literally it would be the name of a file.
    throw new ConfigError(`${sources.where}: ${meant} says not where the value is; write \${env:${name}}`, {
      code: 'E_CONFIG_SECRET',
    })
  }
  return text.replace(REFERENCE, (_whole, kind: string, body: string) =>
    kind === 'env' ? fromEnvironment(body, sources) : fromFile(body, sources),
  )
}

/** References inside texts of any depth. */
export function resolveDeep(value: unknown, sources: SecretSources): unknown {
  if (typeof value === 'string') return resolveText(value, sources)
  if (Array.isArray(value)) return value.map((item) => resolveDeep(item, sources))
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolveDeep(item, sources)]))
  }
  return value
}

function fromEnvironment(body: string, { env, where }: SecretSources): string {
  const cut = body.indexOf(':-')
  const name = cut < 0 ? body : body.slice(0, cut)
  const value = env[name]
  if (value !== undefined && value !== '') return value
  if (cut >= 0) return body.slice(cut + 2)
  throw new ConfigError(
    `${where}: the variable ${name} is not set; set it, or give a default with \${env:${name}:-…}`,
    {
      code: 'E_CONFIG_SECRET',
    },
  )
}

function fromFile(path: string, { base, where }: SecretSources): string {
  try {
    return readFileSync(isAbsolute(path) ? path : join(base, path), 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'cannot be read'
    throw new ConfigError(`${where}: the secret file ${path} ${reason}`, { code: 'E_CONFIG_SECRET' })
  }
}

/** A text as it may be shown: references as `***`, passwords of URLs masked. */
export function maskText(text: string): string {
  return text.replace(REFERENCE, '***').replace(/([a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s@/]+@/gi, '$1:***@')
}
