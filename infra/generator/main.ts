/**
 * Writes sample data as NDJSON, one file per source (and month, with `--monthly`), plus `manifest.json` with what was
 * put in: lines, repeats and malformed lines per file. Same arguments, same bytes.
 *
 *   node infra/generator/main.ts --events 4000 --seed 7 --out infra/sample --monthly
 */
import { parseArgs } from 'node:util'
import { writeSample } from './write.ts'

const USAGE = 'usage: node infra/generator/main.ts --events N --out DIR [--seed S] [--monthly]'

function whole(text: string | undefined, name: string): number {
  if (text === undefined || !/^\d{1,10}$/.test(text)) {
    process.stderr.write(`--${name} takes a whole number\n${USAGE}\n`)
    process.exit(2)
  }
  return Number(text)
}

const { values } = parseArgs({
  options: {
    events: { type: 'string' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string' },
    monthly: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  process.stdout.write(`${USAGE}\n`)
} else if (values.out === undefined) {
  process.stderr.write(`${USAGE}\n`)
  process.exitCode = 2
} else {
  const events = whole(values.events, 'events')
  const manifest = await writeSample({
    events,
    seed: whole(values.seed, 'seed'),
    out: values.out,
    monthly: values.monthly,
  })
  process.stderr.write(`Wrote ${manifest.lines} lines in ${manifest.parts.length} files to ${values.out}\n`)
}
