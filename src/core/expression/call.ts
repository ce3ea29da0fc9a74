/** Calls of functions as closures: null arguments, constant patterns, the clock and lazy arguments (spec 02 §7). */
import type { Value } from '../value.ts'
import type { Code, Compiled } from './code.ts'
import { Failure } from './errors.ts'
import { daysSince } from './functions/dates.ts'
import type { PlainFunction, PreparedFunction } from './functions/function.ts'
import { CLOCK_FUNCTIONS, functionNamed } from './functions/table.ts'

/** How many patterns known only at run time one call keeps. */
const PREPARED_MAX = 100

interface Call {
  readonly run: Compiled
  readonly usesClock: boolean
}

/** Name and number of arguments were checked before. */
export function compileCall(name: string, args: readonly Code[]): Call {
  return { run: callOf(name, args), usesClock: CLOCK_FUNCTIONS.has(name) }
}

function callOf(name: string, args: readonly Code[]): Compiled {
  const runs = args.map((arg) => arg.run)
  const [first, second] = runs as [Compiled, Compiled]
  if (name === 'now') return (context) => context.now
  if (name === 'days_since') return (context) => daysSince(first(context), context.now)
  if (name === 'coalesce') return coalesce(runs)
  const known = functionNamed(name)
  if (known === undefined) throw new Error(`function '${name}' was not checked`)
  if ('prepare' in known) return preparedCall(known, first, second, args[1]?.constant)
  return known.nullable ? nullableCall(known, runs) : plainCall(known, runs)
}

function coalesce(args: readonly Compiled[]): Compiled {
  return (context) => {
    for (const arg of args) {
      const value = arg(context)
      if (value !== null) return value
    }
    return null
  }
}

function nullableCall({ run }: PlainFunction, args: readonly Compiled[]): Compiled {
  const [first, second] = args as [Compiled, Compiled | undefined]
  if (second === undefined) return (context) => run(first(context))
  return (context) => run(first(context), second(context))
}

/** All arguments are evaluated, left to right, before a null among them makes the result null. */
function plainCall({ run }: PlainFunction, args: readonly Compiled[]): Compiled {
  const [first, second, third] = args as [Compiled, Compiled, Compiled]
  switch (args.length) {
    case 1:
      return (context) => {
        const a = first(context)
        return a === null ? null : run(a)
      }
    case 2:
      return (context) => {
        const a = first(context)
        const b = second(context)
        return a === null || b === null ? null : run(a, b)
      }
    case 3:
      return (context) => {
        const a = first(context)
        const b = second(context)
        const c = third(context)
        return a === null || b === null || c === null ? null : run(a, b, c)
      }
    default:
      return (context) => {
        const values = args.map((arg) => arg(context))
        return values.includes(null) ? null : run(...values)
      }
  }
}

function preparedCall<T>(
  { prepare, apply }: PreparedFunction<T>,
  first: Compiled,
  second: Compiled,
  constant: Value | undefined,
): Compiled {
  const ready = typeof constant === 'string' ? attempt(prepare, constant) : undefined
  if (ready !== undefined) {
    return (context) => {
      const a = first(context)
      return a === null ? null : apply(a, ready)
    }
  }
  const cache = new Map<string, T>()
  return (context) => {
    const a = first(context)
    const b = second(context)
    if (a === null || b === null) return null
    if (typeof b !== 'string') return apply(a, prepare(b))
    let ready = cache.get(b)
    if (ready === undefined) {
      ready = prepare(b)
      // Forgetting the oldest is enough: patterns from data are few, or never come again.
      if (cache.size === PREPARED_MAX) cache.delete(cache.keys().next().value as string)
      cache.set(b, ready)
    }
    return apply(a, ready)
  }
}

/** Undefined if it fails, which is then the business of the evaluation. */
function attempt<T>(prepare: (second: Value) => T, constant: string): T | undefined {
  try {
    return prepare(constant)
  } catch (error) {
    if (error instanceof Failure) return undefined
    throw error
  }
}
