/** The HTTP server: bound, served, and ended so that nobody is cut off (spec 10 §9). */
import type { AddressInfo } from 'node:net'
import { serve as listen } from '@hono/node-server'
import { ConfigError } from '../errors.ts'
import { type AppOptions, createApp } from './app.ts'
import { watchDelay } from './health.ts'
import { isLoopback } from './tokens.ts'

export interface ServerOptions extends AppOptions {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
}

export interface RunningServer {
  /** `http://127.0.0.1:8080`. */
  readonly url: string
  readonly port: number
  /** Takes no new connections, lets requests in hand end, then ends what is left after `graceMs`. */
  close(graceMs?: number): Promise<void>
}

const GRACE_MS = 10_000

export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { host, port, tokens } = options
  if (tokens.none && !isLoopback(host)) {
    throw new ConfigError(
      `serving ${host} needs tokens: set serve.tokens in the configuration; without them only 127.0.0.1 is served`,
    )
  }
  const app = createApp(options)
  const { promise, resolve, reject } = Promise.withResolvers<AddressInfo>()
  const server = listen({ fetch: app.fetch, hostname: host, port }, resolve)
  server.once('error', (error: NodeJS.ErrnoException) => {
    const why = error.code === 'EADDRINUSE' ? 'another program listens there' : (error.code ?? error.message)
    reject(new ConfigError(`cannot serve ${host}:${port}: ${why}`, { cause: error }))
  })
  const address = await promise
  const stopWatching = watchDelay()
  const shownHost = host.includes(':') ? `[${host}]` : host
  return {
    url: `http://${shownHost}:${address.port}`,
    port: address.port,
    async close(graceMs = GRACE_MS) {
      stopWatching()
      const ended = new Promise<void>((done) => server.close(() => done()))
      if ('closeIdleConnections' in server) server.closeIdleConnections()
      const forced = setTimeout(() => {
        if ('closeAllConnections' in server) server.closeAllConnections()
      }, graceMs)
      await ended
      clearTimeout(forced)
    },
  }
}
