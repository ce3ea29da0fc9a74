/** Addresses of Neo4j servers (spec 06 §7.1, §9.3): `bolt://user:password@host:7687/database`. */
import { ConfigError } from '../../errors.ts'

export type Login = readonly [user: string, password: string]

export interface Neo4jAddress {
  /** For the driver: neither user nor database. */
  readonly uri: string
  /** Null: the server asks nobody who he is. */
  readonly login: Login | null
  /** Null: the server's default one. */
  readonly database: string | null
  /** For people: no password, no parameters. */
  readonly shown: string
}

const SCHEMES = ['bolt', 'bolt+s', 'bolt+ssc', 'neo4j', 'neo4j+s', 'neo4j+ssc']

/** `auth` wins over what the address says. Messages never repeat the address: it may hold a password. */
export function neo4jAddress(url: string, auth?: Login): Neo4jAddress {
  const parsed = URL.parse(url)
  const scheme = parsed?.protocol.slice(0, -1) ?? ''
  if (parsed === null || !SCHEMES.includes(scheme) || parsed.hostname === '') {
    const message = `a Neo4j address looks like bolt://user:password@host:7687; schemes: ${SCHEMES.join(', ')}`
    throw new ConfigError(message, { details: { scheme: SCHEMES.includes(scheme) ? scheme : null } })
  }
  const [user, password, database] = [parsed.username, parsed.password, parsed.pathname.slice(1)].map(decoded)
  const login: Login | null = auth ?? (user ? [user, password ?? ''] : null)
  const name = login === null ? '' : `${encodeURIComponent(login[0])}@`
  return {
    uri: `${scheme}://${parsed.host}${parsed.search}`,
    login,
    database: database || null,
    shown: `${scheme}://${name}${parsed.host}${database ? `/${database}` : ''}`,
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new ConfigError('the Neo4j address has a % that is no escape; write %25 for a percent sign in a password')
  }
}
