/** Readers of inputs by their kind (spec 10 §3.2), and reading records from bytes for the command line. */
import { FileParts } from './adapters/inputs/files.ts'
import { InboxReader } from './adapters/inputs/inbox.ts'
import { StoredReader } from './adapters/inputs/stored.ts'
import type { Input } from './core/pipeline/model.ts'
import type { ProjectAccess } from './orchestration/contract.ts'
import type { InputReader, InputReaders } from './ports/inputs.ts'
import type { InputPort } from './ports/runs.ts'

export { type InputRecord, UnreadableInput } from './adapters/inputs/record.ts'
export { formatOf, readRecords, type TextFormat } from './adapters/inputs/records.ts'
export { LONGEST_RECORD } from './adapters/inputs/split.ts'
export { unpackStream } from './adapters/inputs/unpack.ts'

/** What a reader needs of the project: where it is, and its secrets. */
export type InputAccess = Pick<ProjectAccess, 'folder' | 'resolve'>

/** `inbox`: where pushed records wait. */
export function inputReaders(access: InputAccess, inbox: InputPort): InputReaders {
  return {
    open: (input) => openInput(input, access, inbox),
    openInbox: (batchId) => new InboxReader(inbox, { batchId }),
  }
}

function openInput(input: Input, access: InputAccess, inbox: InputPort): InputReader {
  switch (input.kind) {
    case 'files':
      return new StoredReader(new FileParts(access.folder, { ...input, path: access.resolve(input.path) }), input)
    case 's3':
      return deferred(async () => {
        const { S3Parts } = await import('./adapters/objects/s3-parts.ts')
        const storage = Object.entries(input.storage).map(([name, text]) => [name, access.resolve(text)])
        const place = { ...input, url: access.resolve(input.url), storage: Object.fromEntries(storage) }
        return new StoredReader(new S3Parts(place), { ...input, append: false })
      })
    case 'postgres':
      return deferred(async () => {
        const { PostgresReader } = await import('./adapters/postgres/input.ts')
        return new PostgresReader(input, access.resolve(input.database))
      })
    case 'inbox':
      return new InboxReader(inbox, { source: input.source })
  }
}

/** Made when it is first used: what it stands on takes a while to load. */
function deferred(make: () => Promise<InputReader>): InputReader {
  let made: Promise<InputReader> | null = null
  const reader = (): Promise<InputReader> => {
    made ??= make()
    return made
  }
  return {
    parts: async () => (await reader()).parts(),
    begin: async (part, known) => (await reader()).begin(part, known),
    async *read(part, position, options) {
      yield* (await reader()).read(part, position, options)
    },
    finish: async (part) => (await reader()).finish(part),
    close: async () => (await made)?.close(),
  }
}
