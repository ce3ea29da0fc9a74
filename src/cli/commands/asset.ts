import { assetView, checkView, freshnessView } from '../../asset-view.ts'
import { didYouMean } from '../../core/spelling.ts'
import { CheckError, NotFoundError } from '../../errors.ts'
import type { AssetFreshness, AssetInfo } from '../../orchestration/assets/model.ts'
import type { CheckResult, RunRow } from '../../ports/runs.ts'
import { spanText } from '../../schedule-view.ts'
import type { Paint } from '../colour.ts'
import type { CommandSpec } from '../command.ts'
import type { Context } from '../context.ts'
import type { Output, Result, Row } from '../output.ts'
import { assetsOfProject, type ProjectAssets } from '../runs/assets.ts'
import { connect } from '../runs/connect.ts'
import { failureOf } from '../runs/failure.ts'
import { awaitRun } from '../runs/submit.ts'
import { seconds, summary } from '../summary.ts'
import { tableText } from '../table.ts'
import { printable } from '../table-text.ts'

const NAME = ['[name]', 'name of an asset, e.g. entity/customer'] as const

const listing: CommandSpec = {
  name: 'list',
  summary: 'everything that can be read, with data version, freshness and checks',
  examples: ['defacto asset list', 'defacto asset list -o json'],
  async run(context) {
    const assets = await (await assetsOfProject(context)).infos()
    return {
      data: assets.map(assetView),
      text: (output) => tableText(output, assets.map(listRow)),
    }
  },
}

function listRow(asset: AssetInfo): Row {
  const states = asset.freshness.map(({ state }) => state)
  const failed = asset.checks.filter(({ passed }) => !passed).length
  return {
    asset: asset.name,
    data_version: asset.dataVersion,
    updated: asset.materialized?.at ?? null,
    freshness: states.length === 0 ? null : worst(states),
    checks: asset.checks.length === 0 ? null : failed === 0 ? `${asset.checks.length} passed` : `${failed} failed`,
    pipelines: asset.pipelines.length === 0 ? null : asset.pipelines.join(', '),
  }
}

function worst(states: readonly AssetFreshness['state'][]): string {
  return ['error', 'warn', 'unknown', 'ok'].find((state) => (states as readonly string[]).includes(state)) ?? 'ok'
}

const show: CommandSpec = {
  name: 'show',
  summary: 'one asset: what it is made from, when, and how it fares',
  arguments: [['<name>', NAME[1]]],
  examples: ['defacto asset show entity/customer'],
  async run(context, [name = '']) {
    const assets = await (await assetsOfProject(context)).infos()
    const asset = named(assets, name)
    const downstream = assets
      .filter(({ upstream }) => upstream.some((each) => each.name === name))
      .map((each) => each.name)
    return {
      data: { ...assetView(asset), downstream },
      text: ({ paint }) =>
        [
          summary(paint, asset.name, {
            'made from': asset.upstream.map((each) => each.name).join(', ') || null,
            'goes into': downstream.join(', ') || null,
            pipelines: asset.pipelines.join(', ') || null,
            'data version': asset.dataVersion,
            'last written':
              asset.materialized === null
                ? null
                : `${asset.materialized.at} by ${asset.materialized.op} ${asset.materialized.runId}`,
          }),
          ...asset.freshness.map((each) => `  ${freshnessLine(each, paint)}`),
          ...asset.checks.map((each) => `  ${checkLine(each, paint)}`),
        ].join('\n'),
    }
  },
}

function named<T extends { readonly name: string }>(assets: readonly T[], name: string): T {
  const found = assets.find((asset) => asset.name === name)
  if (found !== undefined) return found
  const names = assets.map((asset) => asset.name)
  throw new NotFoundError(`unknown asset '${name}'${didYouMean(name, names)}; see them with: defacto asset list`)
}

const freshness: CommandSpec = {
  name: 'freshness',
  summary: 'how far assets lag behind; exit 5 where one is at error',
  arguments: [NAME],
  examples: ['defacto asset freshness', 'defacto asset freshness entity/customer -o json'],
  async run(context, [name]) {
    const project = await assetsOfProject(context)
    if (name !== undefined) named(await project.assets(), name)
    const all = (await project.freshness()).filter(({ asset }) => name === undefined || asset === name)
    const late = all.filter(({ state }) => state === 'error')
    return {
      data: all.map(freshnessView),
      text: (output) => freshnessText(all, name, output),
      error:
        late.length === 0
          ? undefined
          : new CheckError(`too far behind: ${late.map(({ asset }) => asset).join(', ')}`, {
              details: { assets: late.map(({ asset }) => asset) },
            }),
    }
  },
}

function freshnessText(all: readonly AssetFreshness[], name: string | undefined, output: Output): string {
  if (all.length === 0) return `no pipeline has a freshness rule${name === undefined ? '' : ` for ${name}`}`
  return all.map((each) => freshnessLine(each, output.paint)).join('\n')
}

function freshnessLine(found: AssetFreshness, paint: Paint): string {
  const { asset, state, of, lagMs, warnMs, errorMs } = found
  const mark =
    state === 'ok' ? paint.green('ok     ') : state === 'error' ? paint.red('error  ') : paint.yellow(state.padEnd(7))
  const lag = lagMs === null ? 'not known' : `${seconds(lagMs)} behind`
  const bounds = [
    warnMs === null ? null : `warn ${spanText(warnMs)}`,
    errorMs === null ? null : `error ${spanText(errorMs)}`,
  ]
  return `${mark} ${asset}  ${lag} (${of}; ${bounds.filter((bound) => bound !== null).join(', ')})`
}

const check: CommandSpec = {
  name: 'check',
  summary: 'run the checks of an asset, or all; exit 5 where a blocking one fails or freshness is at error',
  arguments: [NAME],
  options: [{ flags: '--last', description: 'only show the latest results, run nothing' }],
  examples: ['defacto asset check', 'defacto asset check entity/customer --local', 'defacto asset check --last'],
  async run(context, [name], options) {
    const project = await assetsOfProject(context)
    if (name !== undefined) named(await project.assets(), name)
    const wanted = project.checks(name)
    const runs = options['last'] === true ? [] : await runChecks(context, wanted)
    const known = new Set(wanted.flatMap(({ checks }) => checks))
    const results = (await project.results()).filter(({ check: each }) => known.has(each))
    const late = (await project.freshness()).filter(
      ({ asset, state }) => state === 'error' && (name ?? asset) === asset,
    )
    return checkResult(results, late, runs)
  },
}

/** One run per pipeline that has checks of the asset. */
async function runChecks(context: Context, wanted: ReturnType<ProjectAssets['checks']>): Promise<RunRow[]> {
  const runs: RunRow[] = []
  for (const { pipeline, checks } of wanted) {
    const orchestrator = await connect(context)
    const handle = await orchestrator.submit('check', { pipeline, only: checks }, {})
    runs.push(await awaitRun(context, orchestrator, handle))
  }
  return runs
}

function checkResult(
  results: readonly CheckResult[],
  late: readonly AssetFreshness[],
  runs: readonly RunRow[],
): Result {
  const failed = results.filter(({ passed, blocking }) => !passed && blocking)
  const problems = [
    ...failed.map(({ check: each, message }) => `${each}${message === null ? '' : `: ${message}`}`),
    ...late.map(({ asset }) => `${asset} is too far behind`),
  ]
  const broken = runs.map(failureOf).find((error) => error !== undefined && error.name !== 'CheckError')
  return {
    data: { checks: results.map(checkView), freshness: late.map(freshnessView), runs: runs.map(({ runId }) => runId) },
    rows: results.map(checkView),
    text: ({ paint }) =>
      results.length === 0 ? 'no checks' : results.map((result) => checkLine(result, paint)).join('\n'),
    error: broken ?? (problems.length === 0 ? undefined : new CheckError(problems.map(printable).join('; '))),
  }
}

function checkLine({ check: name, asset, passed, severity, message, at }: CheckResult, paint: Paint): string {
  const mark = passed ? paint.green('passed') : severity === 'error' ? paint.red('failed') : paint.yellow('warned')
  return `${mark} ${name} of ${asset}${message === null ? '' : `: ${printable(message)}`}  ${paint.dim(at)}`
}

export const command: CommandSpec = {
  name: 'asset',
  summary: 'what can be read: where it comes from, how fresh it is, its checks',
  subcommands: [listing, show, freshness, check],
}
