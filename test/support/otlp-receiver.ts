/** A receiver of OTLP over HTTP, with JSON: keeps every span it is sent. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'

export interface ReceivedSpan {
  readonly traceId: string
  readonly spanId: string
  /** Empty: none. */
  readonly parentSpanId: string
  readonly name: string
  readonly attributes: Readonly<Record<string, string | number>>
  readonly failed: boolean
  readonly service: unknown
}

interface RawAttribute {
  readonly key: string
  readonly value: { readonly stringValue?: string; readonly intValue?: number; readonly doubleValue?: number }
}
interface RawSpan extends Omit<ReceivedSpan, 'attributes' | 'failed' | 'service'> {
  readonly attributes: readonly RawAttribute[]
  readonly status: { readonly code?: number }
}
interface Export {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly RawAttribute[] }
    readonly scopeSpans: readonly { readonly spans: readonly RawSpan[] }[]
  }[]
}

export class OtlpReceiver implements AsyncDisposable {
  readonly spans: ReceivedSpan[] = []
  /** All that came, as it came. */
  readonly bodies: string[] = []
  readonly headers: Record<string, unknown>[] = []
  readonly #server = createServer()

  async start(): Promise<string> {
    this.#server.on('request', async (request, response) => {
      const body =
        request.headers['content-encoding'] === 'gzip'
          ? gunzipSync(await request.toArray().then((parts) => Buffer.concat(parts as Buffer[]))).toString()
          : await text(request)
      if (request.url !== '/v1/traces') {
        response.writeHead(404).end()
        return
      }
      this.bodies.push(body)
      this.headers.push(request.headers)
      this.#keep(JSON.parse(body) as Export)
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })
    await new Promise<void>((resolve) => {
      this.#server.listen(0, '127.0.0.1', resolve)
    })
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  #keep({ resourceSpans }: Export): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      const service = valuesOf(resource.attributes)['service.name']
      for (const span of scopeSpans.flatMap(({ spans }) => spans)) {
        const { traceId, spanId, parentSpanId = '', name, attributes, status } = span
        const failed = status.code === 2
        this.spans.push({ traceId, spanId, parentSpanId, name, attributes: valuesOf(attributes), failed, service })
      }
    }
  }

  /** The span above, as far as it was received. */
  parentOf(span: ReceivedSpan): ReceivedSpan | undefined {
    return this.spans.find(({ spanId, traceId }) => spanId === span.parentSpanId && traceId === span.traceId)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
  }
}

function valuesOf(attributes: readonly RawAttribute[]): Record<string, string | number> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue ?? value.doubleValue ?? '']),
  )
}
