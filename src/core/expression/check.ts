/** What can be known to be wrong with an expression before it runs (spec 02 §9 "At load"). */
import { didYouMean } from '../spelling.ts'
import { type Kind, kindOf } from '../value.ts'
import { hasContent } from './access.ts'
import { type BinaryOperator, childrenOf, type Node } from './ast.ts'
import { Failure } from './errors.ts'
import { CLOCK_FUNCTIONS, callProblem, FUNCTION_NAMES, functionNamed } from './functions/table.ts'
import type { Scope } from './scope.ts'

export interface Finding {
  readonly severity: 'error' | 'warning'
  /** `W13` is reported for every use of the clock; it only matters if the clock is the wall's. */
  readonly code: 'E05' | 'W08' | 'W13'
  /** 1-based. */
  readonly column: number
  readonly message: string
}

/** Everything wrong or doubtful, in order of appearance. */
export function checkExpression(node: Node, scope: Scope): Finding[] {
  const findings: Finding[] = []
  visit(node, scope, findings)
  return findings
}

function visit(node: Node, scope: Scope, findings: Finding[]): void {
  const error = (message: string): void => {
    findings.push({ severity: 'error', code: 'E05', column: node.column, message })
  }
  const warning = (code: 'W08' | 'W13', message: string): void => {
    findings.push({ severity: 'warning', code, column: node.column, message })
  }
  if (node.kind === 'path') {
    const problem = rootProblem(node, scope)
    if (problem !== null) error(problem)
    else if (!hasContent(node.root, scope)) warning('W08', `'${node.root}' is always null here`)
  } else if (node.kind === 'call') {
    const problem = callProblem(node.name, node.args.length) ?? constantProblem(node.name, node.args[1])
    if (problem !== null) error(problem)
    if (CLOCK_FUNCTIONS.has(node.name))
      warning('W13', `'${node.name}' depends on the wall clock, so rebuilds may differ`)
  } else {
    const problem = operandProblem(node)
    if (problem !== null) error(problem)
  }
  for (const child of childrenOf(node)) visit(child, scope, findings)
}

function rootProblem({ root, path }: { root: string; path: readonly string[] }, scope: Scope): string | null {
  if (root === 'event' || root === 'entity') return scope[root] === 'none' ? `'${root}' does not exist here` : null
  if (root === 'value') return null
  const candidates = path.length > 0 ? ['event', 'entity', 'value'] : ['event', 'entity', 'value', ...FUNCTION_NAMES]
  return `unknown name '${root}'; fields are event.<field> and entity.<property>${didYouMean(root, candidates)}`
}

/** A constant pattern, unit or format that can never work. */
function constantProblem(name: string, second: Node | undefined): string | null {
  const known = functionNamed(name)
  if (known === undefined || !('prepare' in known) || second?.kind !== 'literal' || second.value === null) return null
  try {
    known.prepare(second.value)
    return null
  } catch (error) {
    if (error instanceof Failure) return error.detail === null ? error.reason : `'${name}': ${error.detail}`
    throw error
  }
}

/** Operators on literals of types that they never accept. */
function operandProblem(node: Node): string | null {
  switch (node.kind) {
    case 'unary':
      return unaryProblem(node.operator, constantKind(node.operand))
    case 'binary':
      return binaryProblem(node.operator, constantKind(node.left), constantKind(node.right))
    case 'logic':
      return node.operands.map((operand) => boolProblem(node.operator, constantKind(operand))).find(isProblem) ?? null
    case 'if':
      return boolProblem('if', constantKind(node.condition))
    case 'index':
      return indexProblem(constantKind(node.object), constantKind(node.index))
    default:
      return null
  }
}

function isProblem(problem: string | null): problem is string {
  return problem !== null
}

/** The type of a tree of literals and operators; null if values of events or functions have a part in it. */
function constantKind(node: Node): Kind | null {
  switch (node.kind) {
    case 'literal':
      return kindOf(node.value)
    case 'unary': {
      const kind = constantKind(node.operand)
      return kind === null || node.operator === '-' ? kind : 'Bool'
    }
    case 'binary': {
      const [left, right] = [constantKind(node.left), constantKind(node.right)]
      return left === null || right === null ? null : resultKind(node.operator, left, right)
    }
    default:
      return null
  }
}

function isNumber(kind: Kind): boolean {
  return kind === 'Int' || kind === 'Float'
}

function isComparison(operator: BinaryOperator): boolean {
  return operator === '<' || operator === '<=' || operator === '>' || operator === '>='
}

/** Type of a valid operation; null if it depends on the values. */
function resultKind(operator: BinaryOperator, left: Kind, right: Kind): Kind | null {
  if (operator === '==' || operator === '!=') return 'Bool'
  if (left === 'Null' || right === 'Null') return 'Null'
  if (isComparison(operator)) return 'Bool'
  if (left === right) return left === 'Duration' && operator === '/' ? 'Float' : left
  if (isNumber(left) && isNumber(right)) return 'Float'
  return left === 'String' || right === 'String' ? null : 'Duration'
}

function unaryProblem(operator: '-' | 'not', kind: Kind | null): string | null {
  if (operator === 'not') return boolProblem('not', kind)
  if (kind === null || kind === 'Null' || kind === 'Duration' || isNumber(kind)) return null
  return `Cannot apply '-' to ${kind}`
}

function boolProblem(operator: string, kind: Kind | null): string | null {
  return kind === null || kind === 'Bool' || kind === 'Null' ? null : `'${operator}' requires Bool, not ${kind}`
}

function binaryProblem(operator: BinaryOperator, left: Kind | null, right: Kind | null): string | null {
  if (operator === '==' || operator === '!=' || left === 'Null' || right === 'Null') return null
  if (isComparison(operator)) {
    if (
      neverOrdered(left) ||
      neverOrdered(right) ||
      (left !== null && right !== null && group(left) !== group(right))
    ) {
      return `Cannot compare ${left ?? 'anything'} with ${right ?? 'anything'}`
    }
    return null
  }
  if (possible(operator, left, right)) return null
  return `Cannot apply '${operator}' to ${left ?? 'anything'} and ${right ?? 'anything'}`
}

function neverOrdered(kind: Kind | null): boolean {
  return kind === 'Bool' || kind === 'Array' || kind === 'Object'
}

function group(kind: Kind): string {
  return isNumber(kind) ? 'number' : kind
}

/** Whether some values of these types (null: any) can be operands. */
function possible(operator: BinaryOperator, left: Kind | null, right: Kind | null): boolean {
  if (neverOrdered(left) || neverOrdered(right)) return false
  if (left === null || right === null) {
    const known = left ?? right
    if (known === 'String') return operator === '+' || operator === '-'
    return known !== 'Duration' || operator !== '**'
  }
  if (isNumber(left) && isNumber(right)) return true
  if (left === 'String') return (operator === '+' && right === 'String') || (isShift(operator) && right === 'Duration')
  if (left === 'Duration' && right === 'Duration') return isShift(operator) || operator === '/'
  if (left === 'Duration') return isNumber(right) && (operator === '*' || operator === '/')
  return right === 'Duration' && operator === '*' && isNumber(left)
}

function isShift(operator: BinaryOperator): boolean {
  return operator === '+' || operator === '-'
}

function indexProblem(object: Kind | null, index: Kind | null): string | null {
  if (index !== null && index !== 'Null' && index !== 'Int' && index !== 'String') return `Cannot index with ${index}`
  if (object === null || object === 'Null') return null
  if (object === 'String') return index === 'String' ? 'Cannot index String with String' : null
  return `Cannot index ${object}`
}
