/** Who may do what: bearer tokens with scopes (spec 10 §9). Without tokens only this machine is served. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { ConfigError } from '../errors.ts'
import { HttpProblem } from './problem.ts'

export type Scope = 'read' | 'run' | 'erase'

interface Token {
  readonly name: string
  readonly digest: Buffer
  readonly scopes: readonly string[]
}

/** `serve.tokens` of the configuration: `{airflow: {token: "${env:…}", scopes: [read, run]}}`. */
const CONFIGURED = z.record(
  z.string(),
  z.strictObject({ token: z.string().min(16), scopes: z.array(z.enum(['read', 'run', 'erase'])).min(1) }),
)

export class Tokens {
  readonly #tokens: readonly Token[]

  constructor(configured: unknown) {
    const read = CONFIGURED.safeParse(configured ?? {})
    if (!read.success) {
      // Never the value: it may be the secret itself.
      const [issue] = read.error.issues
      throw new ConfigError(
        `'serve.tokens${issue?.path.map((part) => `.${String(part)}`).join('') ?? ''}' is wrong; write ` +
          `name: { token: "\${env:NAME}", scopes: [read, run] }, tokens of 16 or more characters`,
      )
    }
    this.#tokens = Object.entries(read.data).map(([name, { token, scopes }]) => ({
      name,
      digest: digestOf(token),
      scopes,
    }))
  }

  get none(): boolean {
    return this.#tokens.length === 0
  }

  /** Passes, or rejects with 401 or 403. Every token is compared, in constant time. */
  require(authorization: string | undefined, scope: Scope): void {
    if (this.none) return
    const given = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
    const digest = digestOf(given ?? '')
    let found: Token | null = null
    for (const token of this.#tokens) if (timingSafeEqual(token.digest, digest)) found = token
    if (given === undefined || found === null) {
      throw new HttpProblem(401, 'E_UNAUTHORIZED', 'a bearer token is needed, and this is none', {
        'www-authenticate': 'Bearer',
      })
    }
    if (!found.scopes.includes(scope))
      throw new HttpProblem(403, 'E_FORBIDDEN', `the token '${found.name}' lacks the scope '${scope}'`)
  }
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** Addresses that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}
