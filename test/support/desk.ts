/**
 * A server for the whole run, started when the first test file asks for it: whoever connects to the port that is handed to
 * the workers gets the server's address, or why there is none.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { text } from 'node:stream/consumers'

export type Answer = { readonly url: string } | { readonly missing: string }

export interface Server {
  readonly url: string
  stop(): Promise<void>
}

export interface Desk {
  /** Port of the loopback address. */
  readonly port: number
  close(): Promise<void>
}

export async function openDesk(name: string, find: () => Promise<Server>): Promise<Desk> {
  let server: Promise<Server> | null = null
  async function answer(): Promise<Answer> {
    const first = server === null
    server ??= find()
    try {
      return { url: (await server).url }
    } catch (error) {
      const missing = (error as Error).message
      // Under CI each of those files fails with the whole message.
      if (first && process.env['CI'] !== 'true') {
        process.stderr.write(`Tests that need ${name} are left out: ${missing.split('\n')[0]}\n`)
      }
      return { missing }
    }
  }

  const desk = createServer((visitor) => {
    visitor.on('error', () => {})
    void answer().then((said) => visitor.end(JSON.stringify(said)))
  })
  await once(desk.listen(0, '127.0.0.1'), 'listening')
  return {
    port: (desk.address() as AddressInfo).port,
    async close() {
      desk.close()
      await server?.then(
        (running) => running.stop(),
        () => {},
      )
    },
  }
}

/** @throws Error under CI where there is no server */
export async function askDesk(port: number): Promise<Answer> {
  const answer = JSON.parse(await text(connect(port, '127.0.0.1'))) as Answer
  if ('missing' in answer && process.env['CI'] === 'true') throw new Error(answer.missing)
  return answer
}
