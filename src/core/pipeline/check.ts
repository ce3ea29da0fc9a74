/** P01–P12 and PW1–PW5 as far as definitions alone can tell (spec 10 §3.8); the rest needs the project. */
import type { Check } from '../definition/check.ts'
import { Issues } from '../definition/issues.ts'
import type { Path } from '../definition/path.ts'
import { givenIndex } from '../definition/read.ts'
import { parseDurationText } from '../instant.ts'
import { hasReference } from '../secret-text.ts'
import { didYouMean } from '../spelling.ts'
import { type PipelineBody, readBody } from './body.ts'
import { checkChecks } from './check-checks.ts'
import { checkFreshness } from './check-freshness.ts'
import { checkInputs } from './check-inputs.ts'
import { checkProcessingTime, checkSchedule } from './check-schedule.ts'
import { clearPassword, IN_CLEAR } from './check-secrets.ts'
import { checkSteps } from './check-steps.ts'

const DAY = 86_400_000

export function checkPipelines(check: Check): void {
  let keeper: string | null = null
  for (const [name, raw] of Object.entries(check.definitions.pipelines)) {
    const path: Path = ['pipelines', name]
    // What is wrong with its shape was reported when the set was read.
    const body = readBody(raw, name, new Issues())
    if (body === undefined) continue
    checkProcessingTime(check, [...path, 'as_of'], body.as_of, ['scheduled', 'now'])
    checkInputs(check, path, body)
    checkSteps(check, path, body)
    if (body.schedule) checkSchedule(check, [...path, 'schedule'], body.schedule)
    checkChecks(check, path, body)
    checkFreshness(check, path, body)
    checkAlerts(check, path, body)
    if (!body.retention) continue
    checkRetention(check, [...path, 'retention'], body.retention, keeper)
    keeper ??= name
  }
}

function checkRetention(
  check: Check,
  path: Path,
  retention: NonNullable<PipelineBody['retention']>,
  keeper: string | null,
): void {
  if (keeper !== null) {
    const message = `second 'retention' of the space: pipeline '${keeper}' declares one already`
    check.issues.add('P12', path, message, 'key')
  }
  const days = retention.hot_days
  if (retention.cold && days && (parseDurationText(retention.cold)?.ms ?? Infinity) < days * DAY) {
    const message = `retention 'cold' of ${retention.cold} is below 'hot_days' ${days}`
    check.issues.add('P12', [...path, 'cold'], message)
  }
  checkExpiry(check, path, retention)
}

/** Which entities expire: types and states that there are. */
function checkExpiry(check: Check, path: Path, retention: NonNullable<PipelineBody['retention']>): void {
  const { cold, cold_types: types, only_states: states } = retention
  for (const key of ['cold_types', 'only_states'] as const) {
    if (cold || !retention[key]) continue
    check.issues.add('P12', [...path, key], `retention '${key}' requires 'cold': nothing expires without it`, 'key')
  }
  if (check.partial || check.damaged(['entities'])) return
  const { entities } = check.definitions
  const known = (noun: string, key: string, names: readonly string[], all: readonly string[]): void => {
    for (const name of names) {
      if (all.includes(name)) continue
      const message = `${noun} '${name}', which is not defined${didYouMean(name, all)}`
      check.issues.add('P01', [...path, key], message)
    }
  }
  known('entity', 'cold_types', types ?? [], Object.keys(entities))
  const wanted = Object.entries(entities).filter(([name]) => !types?.length || types.includes(name))
  const all = wanted.flatMap(([, entity]) => Object.keys(entity.states ?? {}))
  known('state', 'only_states', states ?? [], [...new Set(all)])
}

const CREDENTIAL = /^(authorization|proxy-authorization|cookie|x-api-key)$|token|secret|password|api-?key/i

function checkAlerts(check: Check, path: Path, body: PipelineBody): void {
  const alerts = body.alerts ?? []
  for (const [i, { to }] of alerts.entries()) {
    if (to?.kind !== 'webhook' && to?.kind !== 'cloudevents') continue
    const here: Path = [...path, 'alerts', givenIndex(alerts, i), 'to', to.kind]
    clearPassword(check, [...here, 'url'], to.body.url)
    if (to.kind !== 'webhook') continue
    const { secret, headers } = to.body
    if (secret && !hasReference(secret)) inClear(check, [...here, 'secret'], 'the key of the signature')
    for (const [name, value] of Object.entries(headers ?? {})) {
      if (CREDENTIAL.test(name) && !hasReference(value)) inClear(check, [...here, 'headers', name], `header '${name}'`)
    }
  }
}

function inClear(check: Check, path: Path, what: string): void {
  check.issues.add('P11', path, `${what} ${IN_CLEAR}`)
}
