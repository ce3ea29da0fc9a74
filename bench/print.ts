/** Benchmark results as tables. */
import { availableParallelism, cpus } from 'node:os'
import type { Measured, SizeResult } from './result.ts'

export const HEAD = ['work', 'count', 'ours', 'limit', 'ratio', 'by cpu', 'server', 'target', '']

export function sizeText(result: SizeResult): string {
  const rows = result.results.map(row)
  return [
    '',
    `${result.store}: ${number(result.events)} events in the ledger (${number(result.lines)} records), ${number(result.entities)} entities`,
    ...align([HEAD, ...rows]),
    `peak memory ${mebibytes(result.peakRss)}, database ${mebibytes(result.databaseBytes)}`,
    '',
  ].join('\n')
}

/** The cells below `HEAD`. */
export function row(measured: Measured): string[] {
  const { work, unit, count, ours, limit, limitName, target } = measured
  const each = target !== null && typeof target === 'object' && 'atMostMs' in target
  const rates = each ? `${ours.ms.toFixed(2)} ms` : `${number(rate(count, ours.ms))} ${unit}/s`
  const bare = limit === null ? '' : `${number(rate(count, limit.ms))}/s ${limitName}`
  const ratios = limit === null ? ['', ''] : [percent(limit.ms / ours.ms), percent(limit.cpu / ours.cpu)]
  const server = ours.server === 0 ? '' : percent(ours.server / ours.cpu)
  return [work, number(count), rates, bare, ...ratios, server, wantedText(target), met(measured) ? '' : 'below target']
}

function wantedText(target: Measured['target']): string {
  if (target === null) return ''
  if (typeof target === 'number') return percent(target)
  return 'atMostMs' in target ? `< ${target.atMostMs} ms` : `${number(target.perSecond)}/s`
}

/** By the clock or by the processor, whichever is better: other programs can only make us look worse. */
export function met({ target, ours, limit, count }: Measured): boolean {
  if (target === null) return true
  if (typeof target === 'number') return limit !== null && Math.max(limit.ms / ours.ms, limit.cpu / ours.cpu) >= target
  return 'atMostMs' in target ? ours.ms <= target.atMostMs : rate(count, ours.ms) >= target.perSecond
}

/** Time per unit at each size against the size before: linear work stays at 1.0. */
export function growthText(results: readonly SizeResult[]): string {
  const lines = [machineText()]
  for (let i = 1; i < results.length; i++) {
    const [small, large] = [results[i - 1] as SizeResult, results[i] as SizeResult]
    const factor = large.events / small.events
    lines.push('', `Growth from ${number(small.events)} to ${number(large.events)} events (${factor.toFixed(1)}×)`)
    const rows = large.results.flatMap((now): string[][] => {
      const before = small.results.find((one) => one.work === now.work)
      if (before === undefined || before.count === 0) return []
      const absolute = now.target !== null && typeof now.target === 'object' && 'atMostMs' in now.target
      if (absolute) return [[now.work, `${(now.ours.ms / before.ours.ms).toFixed(1)}× time`, 'constant is 1.0']]
      const perUnit = now.ours.cpu / now.count / (before.ours.cpu / before.count)
      return [
        [
          now.work,
          `${(now.ours.ms / before.ours.ms).toFixed(1)}× time`,
          `${perUnit.toFixed(2)}× processor time per unit`,
        ],
      ]
    })
    lines.push(...align(rows), `peak memory ${(large.peakRss / small.peakRss).toFixed(1)}×`)
  }
  return `${lines.join('\n')}\n`
}

export function machineText(): string {
  return `${cpus()[0]?.model ?? 'unknown processor'}, ${availableParallelism()} cores, Node ${process.versions.node}`
}

export function rate(count: number, ms: number): number {
  return (count * 1000) / Math.max(ms, 0.001)
}

export function percent(ratio: number): string {
  return `${Math.round(ratio * 100)} %`
}

export function number(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ' ')
}

export function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1048576)} MiB`
}

export function align(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((cells) => (cells[column] ?? '').length)))
  return rows.map((cells) =>
    cells
      .map((cell, column) =>
        column === 0 || column === 3 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  )
}
