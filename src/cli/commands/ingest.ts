import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { isAbsolute, join, relative, resolve } from 'node:path'
import { IngestError, ThresholdError } from '../../errors.ts'
import { type InputRecord, readRecords, type TextFormat } from '../../input-readers.ts'
import type { CommandSpec } from '../command.ts'
import type { Context } from '../context.ts'
import { UsageError } from '../errors.ts'
import { checkFiles, openBytes, textFormatOf } from '../input/bytes.ts'
import { type LoadCounts, loadRecords } from '../input/load.ts'
import { count, flag, text } from '../options.ts'
import type { Output, Result } from '../output.ts'
import { seconds, summary } from '../summary.ts'
import { printable } from '../table-text.ts'

/** Records per transaction unless the configuration says otherwise (spec 10 §3.2 `batch`). */
const BATCH = 500

export const command: CommandSpec = {
  name: 'ingest',
  summary: 'read records of a source into the ledger',
  arguments: [
    ['<source>', 'name of a source definition'],
    ['[files...]', 'input files; - or nothing reads standard input; .gz and .zst are unpacked'],
  ],
  options: [
    { flags: '--format <format>', description: 'default: by suffix, else ndjson', choices: ['ndjson', 'json', 'csv'] },
    { flags: '--process', description: 'bring entity state up to date as well' },
    { flags: '--dry-run', description: 'normalize only; nothing is stored' },
    { flags: '--max-errors <n>', description: 'stop with exit 4 after more than n bad records' },
  ],
  examples: [
    'defacto ingest app events.ndjson --process',
    'zcat old/*.gz | defacto ingest app -',
    'defacto ingest app export.csv --dry-run',
  ],
  async run(context, [source = '', ...files], options) {
    const format = (text(options, 'format') as TextFormat | undefined) ?? null
    const maxErrors = count(options, 'maxErrors') ?? null
    const dryRun = flag(options, 'dryRun')
    const inputs = files.length > 0 ? files : ['-']
    if (inputs.includes('-') && context.stdin.isTTY) throw new UsageError('name a file, or pipe records in')

    await checkFiles(inputs.map((file) => (file === '-' ? '-' : resolve(context.cwd, file))))

    if (!dryRun && (await context.durable())) {
      if (maxErrors !== null)
        throw new UsageError('--max-errors is for reading in this process; the limits of a run are those of its input')
      return pushed(context, { source, inputs, format, process: flag(options, 'process') })
    }
    const started = performance.now()
    const scratch = dryRun ? await mkdtemp(join(tmpdir(), 'defacto-dry-')) : null
    try {
      const counts = await load(context, {
        source,
        inputs,
        format,
        maxErrors,
        process: !dryRun && flag(options, 'process'),
        scratch,
      })
      return outcome(counts, { source, dryRun, maxErrors, ms: performance.now() - started, context })
    } finally {
      await context.close()
      if (scratch !== null) await rm(scratch, { recursive: true, force: true })
    }
  },
}

/** Stored first, then read by a run (spec 10 §3.2 `inbox`). */
async function pushed(context: Context, job: Pick<Load, 'source' | 'inputs' | 'format' | 'process'>): Promise<Result> {
  const { submitAndWait } = await import('../runs/submit.ts')
  const { SourceRecord } = await import('../../index.ts')
  const { root } = await context.project()
  const records = async function* (): AsyncGenerator<unknown> {
    for (const file of job.inputs) {
      const path = file === '-' ? '-' : resolve(context.cwd, file)
      const input = await openBytes(path, context.stdin, context.signal)
      const read = readRecords(input.chunks, job.format ?? textFormatOf(path), partName(root, path))
      for await (const record of read) yield new SourceRecord(record)
    }
  }
  return submitAndWait(context, (orchestrator) =>
    orchestrator.push(job.source, records(), { key: context.globals.idempotencyKey, process: job.process }),
  )
}

interface Load {
  readonly source: string
  readonly inputs: readonly string[]
  readonly format: TextFormat | null
  readonly maxErrors: number | null
  readonly process: boolean
  /** Folder of a throw-away space for `--dry-run`; null: the real one. */
  readonly scratch: string | null
}

async function load(context: Context, job: Load): Promise<LoadCounts> {
  const project = await context.project()
  const batchSize = project.value('batchSize') ?? BATCH
  const defacto = await context.open({
    batchSize,
    ...(job.scratch === null ? {} : { database: join(job.scratch, 'dry.db'), deadLetter: undefined }),
  })
  const { SourceRecord } = await import('../../index.ts')
  const bar = await context.progress()
  let stored = 0
  let read = 0
  let size: number | null = 0
  const records = async function* (): AsyncGenerator<InputRecord> {
    for (const file of job.inputs) {
      const path = file === '-' ? '-' : resolve(context.cwd, file)
      const input = await openBytes(path, context.stdin, context.signal)
      size = size === null || input.size === null ? null : size + input.size
      const before = stored
      for await (const record of readRecords(
        input.chunks,
        job.format ?? textFormatOf(path),
        partName(project.root, path),
      )) {
        stored = before + input.read()
        read += 1
        yield record
      }
    }
  }
  try {
    return await loadRecords(defacto, records(), (record) => new SourceRecord(record), {
      source: job.source,
      process: job.process,
      maxErrors: job.maxErrors,
      signal: context.signal,
      onSlice: ({ read }) => bar.update(stored, size, `${job.source}: ${read} records`),
    })
  } catch (error) {
    bar.stop()
    if (context.signal.aborted) context.output.note(`stopped in the middle of the input, after ${read} records`)
    throw error
  } finally {
    bar.stop()
  }
}

/** Name of an input in failures: relative to the project where it lies inside. */
function partName(root: string, path: string): string {
  if (path === '-') return '-'
  const inside = relative(root, path)
  return inside === '' || inside.startsWith('..') || isAbsolute(inside) ? path : inside
}

interface Outcome {
  readonly source: string
  readonly dryRun: boolean
  readonly maxErrors: number | null
  readonly ms: number
  readonly context: Context
}

async function outcome(counts: LoadCounts, about: Outcome): Promise<Result> {
  const { examples, build, broken: _broken, ...numbers } = counts
  const project = await about.context.project()
  const letters = about.dryRun ? null : project.deadLetterPath
  const failures = examples.map(({ error, field, origin }) => ({ error, field, origin }))
  const data = {
    source: about.source,
    dry_run: about.dryRun,
    ...numbers,
    failures,
    build,
    dead_letters: letters,
    duration_ms: Math.round(about.ms),
  }
  return {
    data,
    receipt: true,
    text: (output) =>
      summary(output.paint, `${about.dryRun ? 'dry run' : 'ingested'} ${about.source} in ${seconds(about.ms)}`, {
        read: counts.read,
        ingested: counts.ingested,
        duplicates: counts.duplicates,
        'without identity': counts.unresolved,
        failed: counts.failed,
        ...(build === null
          ? {}
          : { 'entities created': build.entities_created, 'entities updated': build.entities_updated }),
      }) + failureText(output, counts, letters),
    error: failureOf(counts, about),
  }
}

function failureText(output: Output, { examples, failed }: LoadCounts, letters: string | null): string {
  if (failed === 0) return ''
  const { paint } = output
  const lines = examples.map(({ error, field, origin }) => {
    const place = origin === null ? '' : `${origin.part}${origin.line === null ? '' : `:${origin.line}`}  `
    return `  ${paint.dim(printable(place))}${printable(error)}${field === null ? '' : paint.dim(` (${printable(field)})`)}`
  })
  if (failed > examples.length) lines.push(paint.dim(`  and ${failed - examples.length} more`))
  if (letters !== null) lines.push(paint.dim('  see them all with: defacto dlq list'))
  return `\n\n${paint.yellow('bad records')}\n${lines.join('\n')}`
}

function failureOf(counts: LoadCounts, { maxErrors, source }: Outcome): Error | undefined {
  const details = { source, read: counts.read, failed: counts.failed }
  if (counts.broken.length > 0) {
    const parts = counts.broken.map(({ part, line }) => `${part} from line ${line} on`).join(', ')
    return new IngestError(`not read to the end: ${parts}; what came before stays`, null, {
      code: 'E_INPUT_BROKEN',
      details,
    })
  }
  if (counts.read > 0 && counts.failed === counts.read) {
    const all = counts.read === 1 ? 'the only record' : `all ${counts.read} records`
    return new IngestError(`${all} of source '${source}' failed`, null, { details })
  }
  if (maxErrors !== null && counts.failed > maxErrors) {
    return new ThresholdError(
      `${counts.failed} bad records of source '${source}', ${maxErrors} allowed; what was read stays`,
      { details },
    )
  }
  return undefined
}
