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
    case 'inbox':
      return new InboxReader(inbox, { source: input.source })
    default:
      throw new Error(`no reader of ${input.kind}`)
  }
}
