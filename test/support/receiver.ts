/** A receiver of notifications on a port of this machine, to be up, slow, broken or down. */
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

export interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}
type Mood = 'up' | 'slow' | number

export class Receiver {
  readonly received: Received[] = []
  mood: Mood = 'up'
  /** Called when a request is there, before it is answered. */
  onRequest: () => Promise<void> | void = () => {}
  #server: Server | null = null
  #port = 0
  readonly #sockets = new Set<Socket>()

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** On the port it had before, if it had one. */
  async start(): Promise<this> {
    const server = createServer((request, response) => {
      const parts: Buffer[] = []
      request.on('data', (part: Buffer) => parts.push(part))
      request.on('end', async () => {
        const { url = '', headers } = request
        this.received.push({ path: url, headers, body: Buffer.concat(parts).toString('utf8') })
        await this.onRequest()
        if (this.mood === 'slow') return
        response.writeHead(this.mood === 'up' ? 204 : this.mood).end()
      })
    })
    server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve))
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
    return this
  }

  async stop(): Promise<void> {
    const server = this.#server
    if (server === null) return
    this.#server = null
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
}
