/**
 * Names of schemas and tables (spec 06 §1, 07 §2). Namespaces, versions, types and relationships consist of letters,
 * digits and `_`, so `~` separates what could otherwise be read in two ways.
 */
import type { Shard } from '../../core/shard.ts'
import { ConfigError } from '../../errors.ts'

/** Bytes a name may have; the server cuts longer ones silently. */
const MAX_NAME = 63
/** Room for `~next` and a shard number behind a schema name. */
const SUFFIX = 10

export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

export function qualified(schema: string, name: string): string {
  return `${quote(schema)}.${quote(name)}`
}

export class Names {
  readonly namespace: string

  /** `ConfigError` for names the server keeps to itself, or cannot hold. */
  constructor(namespace: string) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(namespace)) {
      throw new ConfigError(
        `namespace '${namespace}' is not a name: use letters, digits and _, not starting with a digit`,
      )
    }
    if (namespace.startsWith('pg_') || namespace === 'information_schema') {
      throw new ConfigError(`namespace '${namespace}' is reserved by Postgres; choose another one`)
    }
    if (namespace.length + SUFFIX > MAX_NAME) {
      throw new ConfigError(`namespace '${namespace}' is too long for Postgres (at most ${MAX_NAME - SUFFIX} letters)`)
    }
    this.namespace = namespace
  }

  /** A table of the space itself: ledger, identity, … */
  infra(table: string): string {
    return qualified(this.namespace, table)
  }

  /** Schema of a version's history, unquoted. */
  versionSchema(version: string): string {
    const name = `${this.namespace}_${version}`
    if (name.length + SUFFIX <= MAX_NAME) return name
    throw new ConfigError(
      `namespace and version together are too long for a Postgres schema: '${name}' (at most ${MAX_NAME - SUFFIX} letters)`,
    )
  }

  /** Schema in which a full build of the version, or of one shard of it, is made; unquoted. */
  shadowSchema(version: string, shard: Shard | null): string {
    return `${this.versionSchema(version)}~next${shard === null ? '' : shard.id}`
  }

  /** Table of a version, live or in the making. */
  table(version: string, table: string, target: 'live' | 'shadow', shard: Shard | null): string {
    const schema = target === 'live' ? this.versionSchema(version) : this.shadowSchema(version, shard)
    return qualified(schema, table)
  }
}

/** Schema of tables that a full build has replaced; it goes when nobody reads them any more. */
export function replacedSchema(schema: string, number: number): string {
  return `${schema}~old${number}`
}

/** The name a schema has or had when it was read by it. */
export function liveName(schema: string): string {
  return schema.replace(/~old\d+$/, '')
}

export function historyTable(type: string): string {
  return `${type}_history`
}

/** Where the edges written under one relationship name are stored; people see views over it. */
export function edgeTable(relationship: string): string {
  return `rel_${relationship}~edges`
}

export function relationshipView(relationship: string): string {
  return `rel_${relationship}_history`
}

export const RELATIONSHIPS_VIEW = 'relationships'
export const STATE_TABLE = 'entity_state'

/** SQL condition "this store owns the entity", over a stored hash; `true` without shards. */
export function owned(shard: Shard | null, hashColumn: string): string {
  return shard === null ? 'true' : `${hashColumn} % ${shard.total} = ${shard.id}`
}

/** SQL for the shard hash of an id: the first four bytes of SHA-256, big-endian (spec 04 §5.1). */
export function shardHashSql(idColumn: string): string {
  return `('x' || left(encode(sha256(convert_to(${idColumn}, 'UTF8')), 'hex'), 8))::bit(32)::bigint`
}

/** What an upsert sets: `a = excluded.a, …`. */
export function fromExcluded(columns: readonly string[]): string {
  return columns.map((column) => `${column} = excluded.${column}`).join(', ')
}
