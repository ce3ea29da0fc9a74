/** Where messages go: a file, or one of this process's own streams. */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { MESSAGES_VARIABLE, type Message, messageLine, unreadable } from './protocol.ts'

export interface Channel {
  /** Out of this process when it returns: whoever dies after it has still said it. */
  write(message: Message): void
  close(): void
}

/** `path`: a file that exists or is made. `stdio`, `buffered_stdio`: `stdout` or `stderr`. */
export function openChannel(params: Readonly<Record<string, unknown>>): Channel {
  const path = params['path']
  if (typeof path === 'string') return fileChannel(path)
  const stream = params['stdio'] ?? params['buffered_stdio']
  if (stream === 'stdout' || stream === 'stderr') return streamChannel(stream === 'stdout' ? 1 : 2)
  const given = Object.keys(params).join(', ') || 'nothing'
  throw unreadable(MESSAGES_VARIABLE, `names no place that is known here: 'path' or 'stdio', but ${given}`)
}

function fileChannel(path: string): Channel {
  const file = openSync(path, 'a')
  return {
    write: (message) => writeWhole(file, `${messageLine(message)}\n`),
    close(): void {
      fsyncSync(file)
      closeSync(file)
    },
  }
}

/** Lines of others on the same stream stay whole: a message starts on a line of its own. */
function streamChannel(descriptor: 1 | 2): Channel {
  return { write: (message) => writeWhole(descriptor, `${messageLine(message)}\n`), close: () => {} }
}

/** A pipe that is full says so instead of waiting, where the runtime made it non-blocking. */
function writeWhole(descriptor: number, text: string): void {
  let rest = Buffer.from(text)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      // The reader needs a moment; nothing else of this process is to run meanwhile.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    }
  }
}
