/** Replays histories with the workflow code at hand (spec 10 §4.8): what it would do otherwise than was done, is found. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type History, Worker } from '@temporalio/worker'
import { workflowBundle } from './bundle.ts'
import { type CodecOptions, connectClient, converterOf, type TemporalAddress } from './connect.ts'
import { FAILURE_CONVERTER } from './data-converter.ts'
import { PREFIX } from './names.ts'

export interface ReplayResult {
  readonly workflowId: string
  /** Null: the code does the same again. */
  readonly error: string | null
}

interface Named {
  readonly workflowId: string
  readonly history: History
}

/** A history as this package records it: the server's own encoding, in Base64. */
interface Recorded {
  readonly workflowType: string
  readonly history: string
}

export async function recordHistory(workflowType: string, history: History): Promise<string> {
  const { temporal } = (await import('@temporalio/proto')).default
  const bytes = temporal.api.history.v1.History.encode(history as never).finish()
  const recorded: Recorded = { workflowType, history: Buffer.from(bytes).toString('base64') }
  return `${JSON.stringify(recorded)}\n`
}

export async function readHistory(text: string): Promise<History> {
  const read = JSON.parse(text) as Partial<Recorded>
  // Others are as `temporal workflow show --output json` writes them.
  if (typeof read.history !== 'string') return read as History
  const { temporal } = (await import('@temporalio/proto')).default
  return temporal.api.history.v1.History.decode(Buffer.from(read.history, 'base64')) as unknown as History
}

/** Histories in a folder. */
export async function replayHistories(folder: string): Promise<readonly ReplayResult[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.json')).sort()
  const histories = names.map(async (name) => {
    const history = await readHistory(await readFile(join(folder, name), 'utf8'))
    // Ids of children are made of the workflow's own.
    const { workflowId } = history.events?.[0]?.workflowExecutionStartedEventAttributes ?? {}
    return { workflowId: workflowId ?? name.replace(/\.json$/, ''), history }
  })
  return replay(await Promise.all(histories))
}

/** Workflows of a space that the server has, those started since then. */
export async function replayServer(
  place: TemporalAddress,
  at: { readonly space: string; readonly prefix?: string; readonly since?: Date; readonly codec?: CodecOptions },
): Promise<readonly ReplayResult[]> {
  const { client, close } = await connectClient(place, at.codec)
  const base = `${at.prefix ?? PREFIX}/${at.space}/`
  const since = at.since === undefined ? '' : ` AND StartTime >= '${at.since.toISOString()}'`
  const histories: Named[] = []
  try {
    for await (const { workflowId, runId } of client.workflow.list({
      query: `WorkflowId STARTS_WITH '${base.replaceAll("'", "''")}'${since}`,
    })) {
      histories.push({ workflowId, history: await client.workflow.getHandle(workflowId, runId).fetchHistory() })
    }
  } finally {
    await close()
  }
  return replay(histories, at.codec)
}

async function replay(histories: readonly Named[], codec: CodecOptions = {}): Promise<readonly ReplayResult[]> {
  const { codePath } = await workflowBundle()
  const dataConverter = converterOf(codec) ?? { failureConverterPath: FAILURE_CONVERTER }
  const results: ReplayResult[] = []
  const options = { workflowBundle: { codePath }, dataConverter }
  for await (const { workflowId, error } of Worker.runReplayHistories(options, histories)) {
    results.push({ workflowId, error: error === undefined ? null : error.message })
  }
  return results
}
