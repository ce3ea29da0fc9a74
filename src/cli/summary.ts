/** A headline and its values, one per line, numbers to the right, zero and nothing dimmed. */
import type { Paint } from './colour.ts'
import { printable } from './table-text.ts'

export function summary(
  paint: Paint,
  headline: string,
  counters: Readonly<Record<string, number | string | null>>,
): string {
  const entries = Object.entries(counters)
  const names = Math.max(0, ...entries.map(([name]) => name.length))
  const numbers = entries.every(([, value]) => typeof value === 'number')
  const values = !numbers ? 0 : Math.max(0, ...entries.map(([, value]) => String(value ?? '—').length))
  const lines = entries.map(([name, value]) => {
    const line = `  ${name.padEnd(names)}  ${printable(String(value ?? '—')).padStart(values)}`
    return value === 0 || value === null ? paint.dim(line) : line
  })
  return [paint.bold(headline), ...lines].join('\n')
}

/** `412 ms`, `3.2 s`, `2 min 5 s`, `7 h 40 min`, `995 d 7 h`. */
export function seconds(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 100_000) return `${(ms / 1000).toFixed(1)} s`
  const whole = Math.round(ms / 1000)
  const [days, hours, minutes] = [Math.floor(whole / 86_400), Math.floor(whole / 3600), Math.floor(whole / 60)]
  if (days >= 2) return `${days} d ${hours % 24} h`
  return hours >= 2 ? `${hours} h ${minutes % 60} min` : `${minutes} min ${whole % 60} s`
}

/** `812 B`, `12.4 KB`, `3.1 GB`. */
export function bytesText(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  let [value, unit] = [bytes, 0]
  for (; value >= 1000 && unit < units.length - 1; unit += 1) value /= 1000
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

/** `1 file`, `3 files`. */
export function countText(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
