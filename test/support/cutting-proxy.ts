/** A way to a server that is cut at chosen statements: right before the server gets one, or its answer is lost. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** `before`: the server never sees the statement. `after`: it carries the statement out, and nobody hears of it. */
export type Cut = 'before' | 'after'

export interface CuttingProxy extends AsyncDisposable {
  /** The same server, through the proxy. */
  readonly url: string
  /** Asked for every statement, `begin` and `commit` of Postgres' simple protocol among them. Null lets it pass. */
  decide: (statement: string) => Cut | null
  /** True: who connects is turned away. */
  down: boolean
  /** Cuts every connection there is now; new ones come through. */
  cut(): void
}

/** `protocol`: how the bytes of one client are cut into messages; default: those of Postgres. */
export async function cuttingProxy(
  url: string,
  protocol: () => Protocol = () => new Messages(),
): Promise<CuttingProxy> {
  const target = new URL(url)
  const sockets = new Set<Socket>()
  const proxy = { decide: (_: string): Cut | null => null, down: false }
  const server = createServer((client) => {
    if (proxy.down) return void client.destroy()
    const upstream = connect(Number(target.port), target.hostname)
    const cut = (): void => {
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', cut)
      socket.on('close', () => {
        sockets.delete(socket)
        cut()
      })
    }
    let deaf = false
    upstream.on('data', (answer) => {
      // The answer shows that the statement has been carried out.
      if (deaf) cut()
      else client.write(answer)
    })
    const messages = protocol()
    client.on('data', (bytes) => {
      for (const { statement, raw } of messages.of(bytes)) {
        const decision = statement === null ? null : proxy.decide(statement)
        if (decision === 'before') return cut()
        deaf ||= decision === 'after'
        upstream.write(raw)
      }
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  target.port = String((server.address() as AddressInfo).port)
  const through = new URL(target)
  target.port = new URL(url).port
  return Object.assign(proxy, {
    url: through.href,
    cut() {
      for (const socket of sockets) socket.destroy()
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  })
}

const QUERY = 'Q'.charCodeAt(0)

export interface Protocol {
  of(bytes: Buffer): readonly Message[]
}

interface Message {
  /** Null: no statement. */
  readonly statement: string | null
  readonly raw: Buffer
}

/** Bytes of a client cut into messages; the first has no letter for its kind. */
class Messages implements Protocol {
  #rest: Buffer = Buffer.alloc(0)
  #greeted = false

  of(bytes: Buffer): Message[] {
    this.#rest = Buffer.concat([this.#rest, bytes])
    const messages: Message[] = []
    for (;;) {
      const head = this.#greeted ? 1 : 0
      if (this.#rest.length < head + 4) return messages
      const end = head + this.#rest.readUInt32BE(head)
      if (this.#rest.length < end) return messages
      const raw = this.#rest.subarray(0, end)
      this.#rest = this.#rest.subarray(end)
      const isQuery = this.#greeted && raw[0] === QUERY
      this.#greeted = true
      messages.push({ raw, statement: isQuery ? raw.toString('utf8', head + 4, end - 1) : null })
    }
  }
}
