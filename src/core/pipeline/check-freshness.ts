/** Freshness rules: P01 and P09 (spec 10 §3.8). */
import type { Check } from '../definition/check.ts'
import type { Path } from '../definition/path.ts'
import { parseDurationText } from '../instant.ts'
import { lagOf } from './assets.ts'
import type { PipelineBody } from './body.ts'
import { checkAsset } from './check-assets.ts'

export function checkFreshness(check: Check, path: Path, body: PipelineBody): void {
  for (const [asset, rule] of Object.entries(body.freshness ?? {})) {
    const here: Path = [...path, 'freshness', asset]
    if (!checkAsset(check, here, asset, 'key')) continue
    const lags = lagOf(asset)
    if (lags.length === 0) {
      check.issues.add('P09', here, `freshness of ${asset} is not known: it has no lag of its own`, 'key')
      continue
    }
    if (rule.of && !lags.includes(rule.of)) {
      const message = `freshness of ${asset} is measured as ${lags.join(' or ')}, not as ${rule.of}`
      check.issues.add('P09', [...here, 'of'], message)
    }
    if (check.damaged(here)) continue
    if (!rule.warn && !rule.error) {
      check.issues.add('P09', here, "a freshness rule needs a bound: 'warn', 'error' or both", 'key')
    } else if (rule.warn && rule.error && milliseconds(rule.warn) > milliseconds(rule.error)) {
      check.issues.add(
        'P09',
        [...here, 'warn'],
        `freshness warns after ${rule.warn}, later than the error after ${rule.error}`,
      )
    }
  }
}

function milliseconds(text: string): number {
  return parseDurationText(text)?.ms ?? 0
}
