/** Endpoint that takes records: one JSON object per line, packed or not, stored before the answer (spec 10 §3.2, §9). */
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { readRecords } from '../input-readers.ts'
import { SourceRecord } from '../records.ts'
import { type Endpoint, endpoint, json } from './endpoint.ts'
import { HttpProblem } from './problem.ts'
import { PUSH_QUERY, STORED } from './schemas.ts'

/** Bytes of one push, unpacked; more belongs in a file. */
export const PUSH_BYTES = 64 * 1024 * 1024
const TYPES = ['application/x-ndjson', 'application/jsonl', 'application/json', 'text/plain', 'application/gzip']

export const INBOX_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'post',
    path: '/v1/inbox/{source}',
    scope: 'run',
    id: 'push',
    summary: 'Stores records of a source and starts their ingest: JSON, one record per line; gzip allowed.',
    parameters: { source: 'name of a source definition' },
    headers: {
      'Idempotency-Key': 'a repeated push with the same key stores nothing twice',
      'Content-Encoding': 'gzip, or nothing',
    },
    query: PUSH_QUERY,
    stream: TYPES,
    answers: { 202: { description: 'stored; it is read', content: { type: 'application/json', schema: STORED } } },
    async handle({ http, query }, service) {
      const type = (http.req.header('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
      if (type !== '' && !TYPES.includes(type))
        throw new HttpProblem(
          415,
          'E_USAGE',
          `the body is JSON, one record per line; '${type.slice(0, 64)}' is not taken`,
        )
      const { body } = http.req.raw
      if (body === null) throw new HttpProblem(400, 'E_USAGE', 'the body holds one record per line; it is empty')
      const encoding = http.req.header('content-encoding')?.toLowerCase() ?? ''
      if (encoding !== '' && encoding !== 'gzip' && encoding !== 'identity')
        throw new HttpProblem(415, 'E_USAGE', 'of encodings only gzip is taken')
      const packed = encoding === 'gzip' || type === 'application/gzip'
      const source = http.req.param('source') as string
      const { batchId, run } = await service.push(source, recordsOf(body, packed), {
        ...(http.req.header('idempotency-key') === undefined
          ? {}
          : { key: http.req.header('idempotency-key') as string }),
        process: query.process === 'true',
      })
      return json({ batch_id: batchId, run_id: run.runId, status: run.status }, 202, {
        location: `/v1/runs/${run.runId}`,
      })
    },
  }),
]

/** Lines as they are: what is no record is found when they are read, and becomes a dead letter. */
async function* recordsOf(body: ReadableStream<Uint8Array>, packed: boolean): AsyncGenerator<SourceRecord> {
  const bytes = Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0])
  const plain = packed ? bytes.pipe(createGunzip()) : bytes
  bytes.on('error', (error) => plain.destroy(error))
  try {
    for await (const record of readRecords(limited(plain), 'ndjson', 'inbox')) yield new SourceRecord(record)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code?.startsWith('Z_'))
      throw new HttpProblem(400, 'E_INPUT_BROKEN', 'the body is no gzip, or broken; nothing was stored')
    throw error
  }
}

/** What `readRecords` would take for the end of broken data has to stop the push as a whole. */
async function* limited(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let size = 0
  for await (const chunk of chunks) {
    size += chunk.length
    if (size > PUSH_BYTES)
      throw new HttpProblem(413, 'E_TOO_LARGE', `one push takes ${PUSH_BYTES / 1024 / 1024} MiB; nothing was stored`)
    yield chunk
  }
}
