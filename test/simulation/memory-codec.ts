/** A codec whose files are JSON in memory: quick, and as easily damaged as any. */
import {
  CodecError,
  type FoundFacts,
  type MemberJoin,
  type ParquetCodec,
  type ReadQuery,
} from '../../src/adapters/delta/codec.ts'
import { FactsCollector } from '../../src/adapters/delta/row-digest.ts'
import { compareText } from '../../src/core/expression/code-points.ts'
import { type ArchiveRow, type MemberRow, tombstone } from '../../src/ports/archive.ts'
import type { Member } from '../../src/ports/tiers.ts'
import type { Disk } from './local-disk.ts'

/** Rows given at a time. */
const CHUNK = 4

export function memoryCodec(disk: Disk): ParquetCodec {
  const rowsOf = async (file: string): Promise<ArchiveRow[]> => decodeRows(await disk.read(file))
  return {
    partial: null,
    async writeData(file) {
      const rows: ArchiveRow[] = []
      return {
        async add(more) {
          rows.push(...more)
        },
        async finish() {
          if (rows.length === 0) return null
          const body = encode(rows)
          await disk.write(file, body)
          return { ...collected(rows).facts(), bytes: body.length }
        },
        abandon() {},
      }
    },
    inspect: async (file): Promise<FoundFacts> => {
      const rows = await rowsOf(file)
      const facts = collected(rows)
      const { ascending } = facts
      return { ...facts.facts(), footerRows: rows.length, ascending }
    },
    async *read({ files, after, to, sequences, columns, order }) {
      const wanted = sequences === null ? null : new Set(sequences)
      const found: ArchiveRow[] = []
      for (const { path } of files) found.push(...(await rowsOf(path)))
      const rows = found.filter(
        ({ sequence }) => sequence > after && sequence <= to && (wanted === null || wanted.has(sequence)),
      )
      const sorted = { file: rows, sequence: rows.toSorted(bySequence), time: rows.filter(hasTime).sort(byTime) }[order]
      for (let at = 0; at < sorted.length; at += CHUNK) {
        yield sorted.slice(at, at + CHUNK).map((row) => only(row, columns))
      }
    },
    joinMembers: async () => join(rowsOf),
    async writeCheckpoint(file, actions) {
      const body = encode(actions)
      await disk.write(file, body)
      return body.length
    },
    readCheckpoint: async (file) => decode(await disk.read(file)) as Record<string, unknown>[],
    close: async () => {},
  }
}

/** What the second reader makes of the same files, instead of `readSecond` in `parquetjs.ts`. */
export async function* readSecond(
  source: { size: number; read(start: number, end: number): Promise<Uint8Array> },
  { after, to }: { after: number; to: number },
): AsyncGenerator<ArchiveRow[]> {
  const rows = decodeRows(await source.read(0, source.size))
  yield rows.filter(({ sequence }) => sequence > after && sequence <= to)
}

function join(rowsOf: (file: string) => Promise<ArchiveRow[]>): MemberJoin {
  const members: Member[] = []
  return {
    async add(more) {
      members.push(...more)
    },
    async *read({ files, to, columns }) {
      const rows = new Map<number, ArchiveRow>()
      for (const { path } of files) for (const row of await rowsOf(path)) rows.set(row.sequence, row)
      const joined = members.flatMap(({ sequence, entityId, entityType }): MemberRow[] => {
        const row = sequence <= to ? rows.get(sequence) : undefined
        return row === undefined || !hasTime(row) ? [] : [{ entityId, entityType, row: only(row, columns) }]
      })
      joined.sort((a, b) => compareText(a.entityId, b.entityId) || byTime(a.row, b.row))
      for (let at = 0; at < joined.length; at += CHUNK) yield joined.slice(at, at + CHUNK)
    },
    close() {},
  }
}

const collected = (rows: readonly ArchiveRow[]): FactsCollector => {
  const facts = new FactsCollector()
  facts.addRows(rows)
  return facts
}

const hasTime = ({ timestamp }: ArchiveRow): boolean => timestamp !== null
const bySequence = (a: ArchiveRow, b: ArchiveRow): number => a.sequence - b.sequence

function byTime(a: ArchiveRow, b: ArchiveRow): number {
  if (a.timestamp !== b.timestamp) return a.timestamp! < b.timestamp! ? -1 : 1
  return a.sequence - b.sequence
}

function only(row: ArchiveRow, columns: ReadQuery['columns']): ArchiveRow {
  const chosen = Object.fromEntries(columns.map((column) => [column, row[column]]))
  return { ...tombstone(row.sequence), ...chosen }
}

const encode = (content: unknown): Uint8Array => Buffer.from(JSON.stringify(content))

/** Files never change, so each is decoded once. */
const decoded = new WeakMap<Uint8Array, unknown>()

function decode(body: Uint8Array): unknown {
  const known = decoded.get(body)
  if (known !== undefined) return known
  try {
    const content: unknown = JSON.parse(Buffer.from(body).toString('utf8'))
    decoded.set(body, content)
    return content
  } catch {
    throw new CodecError('no such file', { details: { operation: 'parquet', driver: 'memory' } })
  }
}

export function decodeRows(body: Uint8Array): ArchiveRow[] {
  const rows = decode(body)
  if (Array.isArray(rows) && rows.every((row) => Number.isSafeInteger((row as ArchiveRow | null)?.sequence))) {
    return rows as ArchiveRow[]
  }
  throw new CodecError('no rows', { details: { operation: 'parquet', driver: 'memory' } })
}
