/** A way to an S3 server that fails at chosen requests, and counts requests and bytes. Addresses have the bucket in the path. */
import { once } from 'node:events'
import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

export interface S3Request {
  /** `PutObject`, `UploadPart`, …. */
  readonly operation: string
  readonly method: string
  /** Key; empty for what concerns the whole bucket. */
  readonly object: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  /** How often this operation on this object, or this part of it, has been asked for, this time included. */
  readonly time: number
}

export type Fault =
  /** The server never sees the request. */
  | { readonly answer: number; readonly body: string }
  /** The connection ends before the server sees the request, after it carried it out, or within its answer. */
  | {
      readonly cut: 'before' | 'after' | 'midway'
      /** Done just before the connection ends. */
      readonly first?: () => void
    }
  /** Nothing happens any more on the connection. */
  | 'silence'
  /** The request waits before the server gets it. */
  | { readonly until: Promise<unknown> }
  /** The server gets so many bytes of the body; without checksums it cannot notice. */
  | { readonly bytes: number; readonly checksums: boolean }

export interface Traffic {
  readonly requests: number
  /** Bytes of bodies to the server. */
  readonly sent: number
  /** Bytes of bodies from the server. */
  readonly received: number
}

export interface S3Proxy extends AsyncDisposable {
  readonly endpoint: string
  /** Asked for every request; null lets it pass. */
  decide: (request: S3Request) => Fault | null
  /** What there was of an operation, and of an object, since the beginning. */
  traffic(operation?: string, object?: string): Traffic
}

interface Seen {
  readonly operation: string
  readonly object: string
  readonly part: string | null
  sent: number
  received: number
}

/** An answer as S3 refuses. `more` are elements beside the code. */
export function refusal(status: number, code: string, more = ''): Fault {
  return {
    answer: status,
    body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message>${more}</Error>`,
  }
}

export async function s3Proxy(endpoint: string): Promise<S3Proxy> {
  const agent = new Agent({ keepAlive: true })
  const seen: Seen[] = []
  const proxy = { decide: (_: S3Request): Fault | null => null }

  async function serve(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const body = await buffer(asked)
    const { operation, object, query } = describe(asked)
    const part = query.get('partNumber')
    const entry: Seen = { operation, object, part, sent: body.length, received: 0 }
    seen.push(entry)
    const alike = (other: Seen): boolean =>
      other.operation === operation && other.object === object && other.part === part
    const time = seen.filter(alike).length
    const { method = '', headers } = asked
    const fault = proxy.decide({ operation, method, object, query, headers, body, time })
    if (fault === 'silence') return
    if (fault !== null && 'answer' in fault) {
      answer.writeHead(fault.answer, { 'content-type': 'application/xml' })
      answer.end(method === 'HEAD' ? undefined : fault.body)
      return
    }
    const { cut = null, first } = fault !== null && 'cut' in fault ? fault : {}
    const end = (): void => {
      first?.()
      asked.socket.destroy()
    }
    if (cut === 'before') return end()
    if (fault !== null && 'until' in fault) await fault.until
    const short = fault !== null && 'bytes' in fault ? fault : null
    const upstream = await forward(asked, short === null ? headers : shortened(headers, short), short, body)
    const said = await buffer(upstream)
    entry.received = said.length
    if (cut === 'after') return end()
    answer.writeHead(upstream.statusCode ?? 500, upstream.headers)
    if (cut === 'midway') answer.write(said.subarray(0, said.length / 2), end)
    else answer.end(said)
  }

  async function forward(
    { method, url }: IncomingMessage,
    headers: IncomingHttpHeaders,
    short: { bytes: number } | null,
    body: Buffer,
  ): Promise<IncomingMessage> {
    // The host stays as the client signed it.
    const outgoing = request(new URL(url ?? '/', endpoint), { method, headers, agent })
    outgoing.end(short === null ? body : body.subarray(0, short.bytes))
    return ((await once(outgoing, 'response')) as [IncomingMessage])[0]
  }

  const server = createServer((asked, answer) => {
    serve(asked, answer).catch(() => asked.socket.destroy())
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return Object.assign(proxy, {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    traffic(operation?: string, object?: string): Traffic {
      const some = seen.filter(
        (entry) => entry.operation === (operation ?? entry.operation) && entry.object === (object ?? entry.object),
      )
      const sum = (of: (entry: Seen) => number): number => some.reduce((total, entry) => total + of(entry), 0)
      return { requests: some.length, sent: sum(({ sent }) => sent), received: sum(({ received }) => received) }
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      agent.destroy()
      await once(server, 'close')
    },
  })
}

function shortened(headers: IncomingHttpHeaders, short: { bytes: number; checksums: boolean }): IncomingHttpHeaders {
  const kept = Object.entries(headers).filter(([name]) => short.checksums || !/checksum/.test(name))
  return { ...Object.fromEntries(kept), 'content-length': String(short.bytes) }
}

const OF_BUCKET: Readonly<Record<string, string>> = {
  'GET versioning': 'GetBucketVersioning',
  'GET versions': 'ListObjectVersions',
  'GET list-type': 'ListObjectsV2',
  'GET uploads': 'ListMultipartUploads',
  'POST delete': 'DeleteObjects',
}
const OF_OBJECT: Readonly<Record<string, string>> = {
  'POST uploads': 'CreateMultipartUpload',
  'PUT uploadId': 'UploadPart',
  'POST uploadId': 'CompleteMultipartUpload',
  'DELETE uploadId': 'AbortMultipartUpload',
}
const PLAIN: Readonly<Record<string, string>> = {
  GET: 'GetObject',
  HEAD: 'HeadObject',
  PUT: 'PutObject',
  DELETE: 'DeleteObject',
}

function describe({ method = '', url = '/' }: IncomingMessage): Pick<S3Request, 'operation' | 'object' | 'query'> {
  const { pathname, searchParams: query } = new URL(url, 'http://proxy')
  const object = decodeURIComponent(pathname.split('/').slice(2).join('/'))
  const table = object === '' ? OF_BUCKET : OF_OBJECT
  const named = [...query.keys()].map((name) => table[`${method} ${name}`]).find((name) => name !== undefined)
  return { operation: named ?? (object === '' ? `${method} bucket` : (PLAIN[method] ?? method)), object, query }
}
