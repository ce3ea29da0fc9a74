/**
 * Turns an expression into one closure, so that nothing of its tree is looked at while it runs. Parts without events,
 * entities or the clock are computed once.
 */
import { Instant } from '../instant.ts'
import { kindOf, type Value } from '../value.ts'
import { elementAt, pathReader } from './access.ts'
import { add, divide, multiply, negate, power, subtract } from './arithmetic.ts'
import type { ArithmeticOperator, BinaryOperator, Node } from './ast.ts'
import { compileCall } from './call.ts'
import { checkExpression } from './check.ts'
import type { Code, Compiled } from './code.ts'
import type { EvalContext } from './context.ts'
import { equal } from './equality.ts'
import { ExpressionError, Failure, located, typeFailure } from './errors.ts'
import { ORDERINGS } from './order.ts'
import { parse } from './parse.ts'
import type { Scope } from './scope.ts'

export type { Compiled } from './code.ts'

/** Parses, checks and compiles; throws `ExpressionError` for the first thing that is wrong (spec 02 §9). */
export function compile(text: string, scope: Scope): Compiled {
  const node = parse(text)
  const wrong = checkExpression(node, scope).find((finding) => finding.severity === 'error')
  if (wrong !== undefined) throw new ExpressionError(wrong.message, wrong.column)
  const { run, constant } = compileNode(node, scope)
  if (constant !== undefined) return run
  return (context) => {
    try {
      return run(context)
    } catch (error) {
      throw located(error, text)
    }
  }
}

function constantCode(value: Value): Code {
  return { run: () => value, constant: value }
}

function compileNode(node: Node, scope: Scope): Code {
  switch (node.kind) {
    case 'literal':
      return constantCode(node.value)
    case 'path':
      return { run: pathReader(node.root, node.path, scope), constant: undefined }
    case 'unary': {
      const operand = compileNode(node.operand, scope)
      const { run } = operand
      return folded(
        [operand],
        node.operator === 'not' ? (context) => !truth(run(context), 'not') : (context) => negate(run(context)),
      )
    }
    case 'binary': {
      const left = compileNode(node.left, scope)
      const right = compileNode(node.right, scope)
      return folded([left, right], binary(node.operator, left, right))
    }
    case 'logic': {
      const operands = node.operands.map((operand) => compileNode(operand, scope))
      return folded(
        operands,
        logic(
          node.operator,
          operands.map((operand) => operand.run),
        ),
      )
    }
    case 'if': {
      const parts = [node.condition, node.consequent, node.alternative].map((part) => compileNode(part, scope))
      const [condition, consequent, alternative] = parts.map((part) => part.run) as [Compiled, Compiled, Compiled]
      return folded(parts, (context) => (truth(condition(context), 'if') ? consequent(context) : alternative(context)))
    }
    case 'index': {
      const object = compileNode(node.object, scope)
      const index = compileNode(node.index, scope)
      return folded([object, index], (context) => elementAt(object.run(context), index.run(context)))
    }
    case 'call': {
      const args = node.args.map((arg) => compileNode(arg, scope))
      const { run, usesClock } = compileCall(node.name, args)
      return usesClock ? { run, constant: undefined } : folded(args, run)
    }
  }
}

const NOWHERE: EvalContext = { raw: null, event: null, entity: null, value: null, now: new Instant(0) }

/** Computes a part at once if all of its operands are constants. One that fails is left to fail when it is reached. */
function folded(operands: readonly Code[], run: Compiled): Code {
  if (operands.some((operand) => operand.constant === undefined)) return { run, constant: undefined }
  try {
    return constantCode(run(NOWHERE))
  } catch (error) {
    if (error instanceof Failure || error instanceof RangeError) return { run, constant: undefined }
    throw error
  }
}

/** A Boolean position: null counts as false, everything but Bool is an error. */
function truth(value: Value, operator: string): boolean {
  if (value === true) return true
  if (value === false || value === null) return false
  throw typeFailure(`'${operator}' requires Bool, not ${kindOf(value)}`)
}

function logic(operator: 'and' | 'or', operands: readonly Compiled[]): Compiled {
  const decisive = operator === 'or'
  const [first, second] = operands
  if (operands.length === 2 && first !== undefined && second !== undefined) {
    return decisive
      ? (context) => truth(first(context), 'or') || truth(second(context), 'or')
      : (context) => truth(first(context), 'and') && truth(second(context), 'and')
  }
  return (context) => {
    for (const operand of operands) if (truth(operand(context), operator) === decisive) return decisive
    return !decisive
  }
}

const ARITHMETIC: Readonly<Record<ArithmeticOperator, (a: Value, b: Value) => Value>> = {
  '+': add,
  '-': subtract,
  '*': multiply,
  '/': divide,
  '**': power,
}

function binary(operator: BinaryOperator, { run: left }: Code, { run: right, constant }: Code): Compiled {
  switch (operator) {
    case '==':
      if (typeof constant === 'string') return equalsText(left, constant)
      return (context) => equal(left(context), right(context))
    case '!=':
      return (context) => !equal(left(context), right(context))
    case '<':
    case '<=':
    case '>':
    case '>=': {
      const ordering = ORDERINGS[operator]
      return (context) => ordering(left(context), right(context))
    }
    default: {
      const arithmetic = ARITHMETIC[operator]
      return (context) => arithmetic(left(context), right(context))
    }
  }
}

/** The most common comparison, with a literal text. */
function equalsText(left: Compiled, text: string): Compiled {
  return (context) => {
    const value = left(context)
    return typeof value === 'string' ? value === text : equal(value, text)
  }
}
