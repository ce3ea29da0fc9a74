/** Steps: P01, P02, P04, PW2 and PW3 (spec 10 §3.4). */
import type { Check } from '../definition/check.ts'
import { pipelineName } from '../definition/check-names.ts'
import type { Path } from '../definition/path.ts'
import { givenIndex } from '../definition/read.ts'
import { didYouMean } from '../spelling.ts'
import type { PipelineBody, StepBody } from './body.ts'
import { checkProcessingTime } from './check-schedule.ts'
import { clearPassword } from './check-secrets.ts'
import { stepIds } from './normalize.ts'

export function checkSteps(check: Check, path: Path, body: PipelineBody): void {
  const steps = body.steps ?? []
  const ids = stepIds(steps)
  const at = (i: number, ...keys: string[]): Path => [
    ...path,
    'steps',
    givenIndex(steps, i),
    ...(keys.length > 0 ? [steps[i]!.kind, ...keys] : []),
  ]
  for (const [i, step] of steps.entries()) {
    const { id, needs } = step.body
    if (id) {
      pipelineName(check, at(i, 'id'), id)
      if (ids.indexOf(id) < i) check.issues.add('P04', at(i, 'id'), `duplicate step id '${id}'`)
    }
    for (const need of needs ?? []) {
      if (ids.includes(need) || check.damaged([...path, 'steps'])) continue
      check.issues.add(
        'P04',
        at(i, 'needs'),
        `step '${ids[i]}' needs '${need}', which is no step${didYouMean(need, ids)}`,
      )
    }
    checkNames(check, body, step, (key) => at(i, key))
    if (step.kind === 'tick') checkProcessingTime(check, at(i, 'as_of'), step.body.as_of, ['scheduled', 'now'])
    if (step.kind === 'export') clearPassword(check, at(i, 'to'), step.body.to)
    if (step.kind === 'prune') checkPrune(check, at(i), body, steps.slice(0, i), step)
    if (step.kind === 'expire' && !body.retention?.cold && !check.damaged([...path, 'retention'])) {
      const message = "step kind 'expire' requires 'retention' of the pipeline with cold"
      check.issues.add('P02', at(i), message)
    }
  }
  const circle = circleOf(steps, ids)
  if (circle !== null) {
    const [first = 0] = circle
    check.issues.add('P04', at(first, 'needs'), `step needs itself: ${circle.map((i) => ids[i]).join(' needs ')}`)
  }
  const checks = Object.keys(body.checks ?? {})
  if (checks.length > 0 && !steps.some(({ kind }) => kind === 'check') && !check.damaged([...path, 'steps'])) {
    const message = "checks are declared and never run: there is no 'check' step"
    check.issues.add('PW2', [...path, 'checks'], message, 'key')
  }
}

/** Names of inputs and checks that a step lists. */
function checkNames(check: Check, body: PipelineBody, step: StepBody, at: (key: string) => Path): void {
  if (step.kind === 'ingest') known('input', step.body.inputs, Object.keys(body.inputs ?? {}), at('inputs'))
  if (step.kind === 'check') known('check', step.body.only, Object.keys(body.checks ?? {}), at('only'))
  if (step.kind === 'export' && !check.partial && !check.damaged(['entities'])) {
    known('entity', step.body.types, Object.keys(check.definitions.entities), at('types'))
  }

  function known(noun: string, names: readonly string[] | null | undefined, all: readonly string[], path: Path): void {
    for (const name of names ?? []) {
      if (all.includes(name)) continue
      check.issues.add('P01', path, `${noun} '${name}', which is not defined${didYouMean(name, all)}`)
    }
  }
}

function checkPrune(
  check: Check,
  path: Path,
  body: PipelineBody,
  before: readonly StepBody[],
  step: Extract<StepBody, { kind: 'prune' }>,
): void {
  const bound = step.body.before ?? body.retention?.hot_days ?? body.retention?.hot_rows
  if (bound === undefined || bound === null) {
    const message = "step kind 'prune' requires 'before', or 'retention' of the pipeline with hot_days or hot_rows"
    if (!check.damaged(path.slice(0, 2))) check.issues.add('P02', path, message)
  }
  if (before.some(({ kind }) => kind === 'flush')) return
  check.issues.add('PW3', path, "no 'flush' before 'prune': only what an earlier run archived can be removed")
}

/** Positions of steps that wait for each other, ending where they began; null if there are none. */
function circleOf(steps: readonly StepBody[], ids: readonly string[]): number[] | null {
  const done = new Set<number>()
  const way: number[] = []
  const visit = (i: number): number[] | null => {
    const seen = way.indexOf(i)
    if (seen >= 0) return [...way.slice(seen), i]
    if (done.has(i)) return null
    way.push(i)
    const { needs } = steps[i]!.body
    const next = needs ? needs.map((need) => ids.indexOf(need)).filter((n) => n >= 0) : i > 0 ? [i - 1] : []
    for (const n of next) {
      const found = visit(n)
      if (found !== null) return found
    }
    way.pop()
    done.add(i)
    return null
  }
  for (const i of steps.keys()) {
    const found = visit(i)
    if (found !== null) return found
  }
  return null
}
