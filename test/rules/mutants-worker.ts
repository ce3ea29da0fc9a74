/**
 * Runs single mutants for `mutants.ts`. Many mutants live in one process: the modules that depend on the mutated file
 * are loaded a second time under URLs that end in `?mutant=<n>`, all others are shared.
 */
import { readdirSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { dependents, ROOT, sourceOf, strip } from './module-graph.ts'
import type { Outcome, RuleRef } from './mutants.ts'
import type { Rule } from './rule.ts'

interface Mutant {
  target: string
  mutated: string
  affected: Set<string>
}
const mutants: Mutant[] = []
const stripped = new Map<string, string>()

function split(url: string): { path: string; mutant: number } | null {
  const match = /^(file:.*\.ts)\?mutant=(\d+)$/.exec(url)
  return match ? { path: fileURLToPath(match[1] as string), mutant: Number(match[2]) } : null
}

registerHooks({
  resolve(specifier, context, next) {
    const result = next(specifier, context)
    const parent = context.parentURL === undefined ? null : split(context.parentURL)
    if (!parent || !result.url.startsWith('file:') || result.url.includes('?')) return result
    const affected = mutants[parent.mutant]?.affected.has(fileURLToPath(result.url))
    return affected ? { ...result, url: `${result.url}?mutant=${parent.mutant}` } : result
  },
  load(url, context, next) {
    const found = split(url)
    const mutant = found && mutants[found.mutant]
    if (!found || !mutant) return next(url, context)
    const source = found.path === mutant.target ? strip(mutant.mutated) : strippedSource(found.path)
    return { format: 'module', source, shortCircuit: true }
  },
})

function strippedSource(path: string): string {
  let source = stripped.get(path)
  if (source === undefined) {
    source = strip(sourceOf(path))
    stripped.set(path, source)
  }
  return source
}

async function rulesIn(file: string, mutant?: number): Promise<readonly Rule[]> {
  const url = pathToFileURL(join(ROOT, file)).href + (mutant === undefined ? '' : `?mutant=${mutant}`)
  return ((await import(url)) as { rules: readonly Rule[] }).rules
}

async function list(
  only: string,
  dir: string,
): Promise<{ rules: RuleRef[]; broken: { file: string; error: string }[] }> {
  const rules: RuleRef[] = []
  const broken: { file: string; error: string }[] = []
  for (const name of readdirSync(join(ROOT, dir))) {
    if (!name.endsWith('.rules.ts')) continue
    const file = `${dir}/${name}`
    try {
      for (const [index, { id, spec, off }] of (await rulesIn(file)).entries()) {
        if (id.startsWith(only)) rules.push({ file, index, id, spec, target: off.file })
      }
    } catch (error) {
      broken.push({ file, error: textOf(error) })
    }
  }
  return { rules, broken }
}

async function run(ref: RuleRef): Promise<Outcome> {
  const began = performance.now()
  const done = (outcome: Outcome['outcome'], detail: string): Outcome => {
    return { id: ref.id, spec: ref.spec, file: ref.target, outcome, detail, ms: Math.round(performance.now() - began) }
  }
  const original = (await rulesIn(ref.file))[ref.index] as Rule
  const target = join(ROOT, original.off.file)
  let text: string
  try {
    text = sourceOf(target)
  } catch {
    return done('invalid', 'no such file')
  }
  const { find, replace } = original.off
  const times = find === '' ? 0 : text.split(find).length - 1
  if (times !== 1) return done('invalid', `the text to replace occurs ${times} times`)
  if (find === replace) return done('invalid', 'the replacement changes nothing')
  try {
    await original.check()
  } catch (error) {
    return done('invalid', `the check fails on the code as it is: ${textOf(error)}`)
  }
  const affected = dependents(join(ROOT, ref.file), target)
  const number = mutants.push({ target, mutated: text.replace(find, () => replace), affected }) - 1
  let mutant: Rule
  try {
    mutant = (await rulesIn(ref.file, number))[ref.index] as Rule
  } catch (error) {
    return done('invalid', `the mutated code does not load: ${textOf(error)}`)
  }
  try {
    await mutant.check()
  } catch (error) {
    // An unknown name is a broken mutation, not a rule switched off.
    if (error instanceof ReferenceError) return done('invalid', textOf(error))
    return done('caught', textOf(error))
  }
  const reached = affected.size > 2 || relative(ROOT, target).startsWith('test/')
  return done('survived', reached ? 'the check passes without the rule' : 'the rules file does not import the target')
}

function textOf(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}

process.on('message', async (message: { list: string; dir: string } | { run: RuleRef }) => {
  process.send?.('list' in message ? await list(message.list, message.dir) : await run(message.run))
})
// A stray rejection of a mutant's leftovers says nothing about the next rule.
process.on('unhandledRejection', () => {})
