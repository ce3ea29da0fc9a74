/**
 * Proves that every rule's check notices when its rule is switched off.
 *
 *   node test/rules/mutants.ts [--only <prefix>] [--quiet] [--dir <folder with *.rules.ts>] [--patience <ms>]
 *
 * Prints one JSON line per rule and a last line with the summary; exit code 1 unless every mutation is caught.
 * Outcomes: `caught` (the check threw, or did not come back in time), `survived`, `invalid` (the text to replace is not
 * there exactly once, the mutated code does not load, or the check fails on the code as it is).
 *
 * Two child processes (`mutants-worker.ts`) share the work; a check that hangs costs its process, not the run.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ROOT } from './module-graph.ts'

const SHARDS = 2

export interface RuleRef {
  /** Rules file, relative to the project, and position in its `rules` array. */
  file: string
  index: number
  id: string
  spec: string
  target: string
}
export interface Outcome {
  id: string
  spec: string
  file: string
  outcome: 'caught' | 'survived' | 'invalid'
  /** How it was caught, or what is wrong. */
  detail: string
  ms: number
}

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    quiet: { type: 'boolean', default: false },
    dir: { type: 'string', default: 'test/rules' },
    patience: { type: 'string', default: '20000' },
  },
})
/** A check without an answer for this many milliseconds counts as not coming back. */
const patience = Number(options.patience)

function start(): ChildProcess {
  const child = fork(join(ROOT, 'test/rules/mutants-worker.ts'), {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { ...process.env, DEFACTO_UNIT_ROWS: '4' },
  })
  child.stderr?.pipe(process.stderr)
  return child
}

/** The next message of the child; null if it is silent for too long or gone. */
function answer<T>(child: ChildProcess): Promise<T | null> {
  return new Promise((resolve) => {
    const finish = (value: T | null): void => {
      clearTimeout(timer)
      child.off('message', finish)
      child.off('exit', gone)
      resolve(value)
    }
    const gone = (): void => finish(null)
    const timer = setTimeout(finish, patience, null)
    child.once('message', finish)
    child.once('exit', gone)
  })
}

async function shard(queue: RuleRef[], report: (outcome: Outcome) => void): Promise<void> {
  let child: ChildProcess | null = null
  for (let rule = queue.shift(); rule; rule = queue.shift()) {
    child ??= start()
    const began = performance.now()
    child.send({ run: rule })
    const got: Outcome | null = await answer<Outcome>(child)
    if (got) {
      report(got)
      continue
    }
    // A signal of its own (out of memory) is an endless loop by another name; an orderly exit is a broken check.
    const died: boolean = child.exitCode !== null
    child.kill('SIGKILL')
    child = null
    report({
      id: rule.id,
      spec: rule.spec,
      file: rule.target,
      outcome: died ? 'invalid' : 'caught',
      detail: died ? 'the process ended' : 'no answer in time',
      ms: Math.round(performance.now() - began),
    })
  }
  child?.kill('SIGKILL')
}

const began = performance.now()
const lister = start()
lister.send({ list: options.only, dir: options.dir })
const listed = await answer<{ rules: RuleRef[]; broken: { file: string; error: string }[] }>(lister)
lister.kill('SIGKILL')
if (!listed) throw new Error('cannot list the rules')

const outcomes: Outcome[] = []
const report = (outcome: Outcome): void => {
  outcomes.push(outcome)
  if (!options.quiet || outcome.outcome !== 'caught') console.log(JSON.stringify(outcome))
}
for (const { file, error } of listed.broken) console.log(JSON.stringify({ file, error }))
const queue = [...listed.rules]
await Promise.all(Array.from({ length: SHARDS }, () => shard(queue, report)))

const count = (kind: Outcome['outcome']): number => outcomes.filter((o) => o.outcome === kind).length
const summary = {
  rules: outcomes.length,
  caught: count('caught'),
  survived: count('survived'),
  invalid: count('invalid'),
  brokenFiles: listed.broken.length,
  seconds: Math.round((performance.now() - began) / 100) / 10,
}
console.log(JSON.stringify({ summary }))
if (outcomes.length > summary.caught || summary.brokenFiles > 0) process.exitCode = 1
