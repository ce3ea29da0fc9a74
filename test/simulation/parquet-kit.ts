/** Worlds with real Parquet files: DuckDB writes and reads them in a folder, the second reader confirms them. */
import { hash } from 'node:crypto'
import { join } from 'node:path'
import type { FileWriter, MemberJoin, ParquetCodec, PartialFiles } from '../../src/adapters/delta/codec.ts'
import { duckdbCodec } from '../../src/adapters/delta/duckdb-codec.ts'
import type { ArchiveRow } from '../../src/ports/archive.ts'
import { shortened } from './bucket.ts'
import { type Disk, realDisk } from './local-disk.ts'
import type { Scheduler } from './scheduler.ts'
import type { Kit } from './world.ts'

/** All worlds share one instance of the library; it remembers nothing between files. */
export function parquetKit(folder: string): Kit & { close(): Promise<void> } {
  const codec = duckdbCodec({ spill: async () => join(folder, 'spill'), memory: '256MB' })
  const written = new Map<string, readonly ArchiveRow[]>()
  return {
    disk: (scheduler) => realDisk(folder, scheduler),
    codec: (disk, scheduler) => scheduled(codec, disk, scheduler, written),
    decode: (_path, body) => written.get(hash('sha256', body)) ?? null,
    // A changed byte may be one that nobody reads.
    spoil: shortened,
    patience: 50,
    close: () => codec.close(),
  }
}

/** The library works in its own threads: nobody else goes on until it is done. What it writes is noted. */
function scheduled(
  codec: ParquetCodec,
  disk: Disk,
  scheduler: Scheduler,
  written: Map<string, readonly ArchiveRow[]>,
): ParquetCodec {
  const real = <T>(work: () => Promise<T>): Promise<T> => scheduler.real(work)
  return {
    partial: codec.partial === null ? null : scheduledParts(codec.partial, scheduler),
    writeData: async (file) => noted(await real(() => codec.writeData(file)), file),
    inspect: (file) => real(() => codec.inspect(file)),
    read: (query) => stepwise(codec.read(query), scheduler),
    joinMembers: async () => scheduledJoin(await real(() => codec.joinMembers()), scheduler),
    writeCheckpoint: (file, actions) => real(() => codec.writeCheckpoint(file, actions)),
    readCheckpoint: (file) => real(() => codec.readCheckpoint(file)),
    close: async () => {},
  }

  function noted(writer: FileWriter, file: string): FileWriter {
    const rows: ArchiveRow[] = []
    return {
      async add(more) {
        rows.push(...more)
        await real(() => writer.add(more))
      },
      async finish() {
        const facts = await real(() => writer.finish())
        if (facts !== null) written.set(hash('sha256', await disk.read(file)), rows)
        return facts
      },
      abandon: () => writer.abandon(),
    }
  }
}

function scheduledParts(partial: PartialFiles, scheduler: Scheduler): PartialFiles {
  return {
    footerBytes: (end) => partial.footerBytes(end),
    begin: (file, size, end) => scheduler.real(() => partial.begin(file, size, end)),
    fill: (file, at, bytes) => scheduler.real(() => partial.fill(file, at, bytes)),
  }
}

function scheduledJoin(join: MemberJoin, scheduler: Scheduler): MemberJoin {
  return {
    add: (members) => scheduler.real(() => join.add(members)),
    read: (query) => stepwise(join.read(query), scheduler),
    close: () => join.close(),
  }
}

async function* stepwise<T>(chunks: AsyncIterable<T>, scheduler: Scheduler): AsyncGenerator<T> {
  const iterator = chunks[Symbol.asyncIterator]()
  try {
    while (true) {
      const next = await scheduler.real(() => iterator.next())
      if (next.done === true) return
      yield next.value
    }
  } finally {
    await scheduler.real(async () => iterator.return?.())
  }
}
