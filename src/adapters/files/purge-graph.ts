/** Nodes and edges of persons taken out of graphs in JSON, in the form in which they were written (spec 05 §4.5, 06 §7). */
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import type { Purge, Purged } from '../../ports/export-purge.ts'

const PIECE = 1 << 20
/** What stands around the lists, and behind the last node. An item ends with a brace. */
const FRAME = /(?:^\{.*"nodes": \[|\], "(?:edges|links)": \[|^\]\})$/
const HEAD = /^\{.*"nodes": \[$/
const CHANGED = 'it is not as it was written, so that its nodes cannot be told apart; remove it, or export again'

/** Copies the file without them; `to` null: only counts. With a problem, what was copied is of no use. */
export async function purgeGraph(from: string, to: string | null, { ids, signal }: Purge): Promise<Purged> {
  const gone = new Set(ids)
  const rows = new Map<string, number>()
  await using out = to === null ? null : await open(to, 'wx')
  let waiting = ''
  let items = 0
  const write = async (text: string, least = PIECE): Promise<void> => {
    waiting += text
    if (waiting.length < least) return
    await out?.appendFile(waiting)
    waiting = ''
  }
  let frames = 0
  for await (const line of createInterface({ input: createReadStream(from), crlfDelay: Number.POSITIVE_INFINITY })) {
    signal?.throwIfAborted()
    const frame = FRAME.exec(line)
    const text = frame === null ? line.replace(/,$/, '') : line.slice(0, frame.index)
    if (HEAD.test(text)) {
      // There are no nodes.
      await write(text)
      frames += 1
    } else if (text !== '') {
      const item = itemOf(text)
      if (item === null) return { rows, problem: CHANGED }
      const named = [item['id'], item['source'], item['target']].find((id) => gone.has(id as string))
      if (named === undefined) {
        await write(items === 0 ? `\n${text}` : `,\n${text}`)
        items += 1
      } else rows.set(named as string, (rows.get(named as string) ?? 0) + 1)
    }
    if (frame === null) continue
    const isLast = frame[0] === ']}'
    await write(isLast ? `\n${frame[0]}` : frame[0])
    frames += 1
    items = 0
  }
  await write('\n', 0)
  return { rows, problem: frames === 3 ? null : CHANGED }
}

function itemOf(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null
  } catch {
    return null
  }
}
