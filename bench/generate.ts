/** Writes the benchmark's records, one per line as `source<TAB>json`, in order of arrival. Run as a process of its own. */
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { deliveries } from '../infra/generator/stream.ts'

const [events = '', seed = '', path = ''] = process.argv.slice(2)
const out = createWriteStream(path, { highWaterMark: 1 << 20 })
for (const { source, line } of deliveries({ events: Number(events), seed: Number(seed) })) {
  if (!out.write(`${source}\t${line}\n`)) await once(out, 'drain')
}
out.end()
await once(out, 'finish')
