/** The tree of an expression (spec 02 §3). Columns are 1-based positions in the text. */
import type { Value } from '../value.ts'

export type ArithmeticOperator = '+' | '-' | '*' | '/' | '**'
export type OrderOperator = '<' | '<=' | '>' | '>='
export type EqualityOperator = '==' | '!='
export type BinaryOperator = ArithmeticOperator | OrderOperator | EqualityOperator

export type Node =
  | { readonly kind: 'literal'; readonly column: number; readonly value: Value }
  | { readonly kind: 'path'; readonly column: number; readonly root: string; readonly path: readonly string[] }
  | { readonly kind: 'call'; readonly column: number; readonly name: string; readonly args: readonly Node[] }
  | { readonly kind: 'unary'; readonly column: number; readonly operator: '-' | 'not'; readonly operand: Node }
  | {
      readonly kind: 'binary'
      readonly column: number
      readonly operator: BinaryOperator
      readonly left: Node
      readonly right: Node
    }
  /** A chain of two or more operands, so that long ones stay flat. */
  | {
      readonly kind: 'logic'
      readonly column: number
      readonly operator: 'and' | 'or'
      readonly operands: readonly Node[]
    }
  | {
      readonly kind: 'if'
      readonly column: number
      readonly condition: Node
      readonly consequent: Node
      readonly alternative: Node
    }
  | { readonly kind: 'index'; readonly column: number; readonly object: Node; readonly index: Node }

/** The direct parts of a node, left to right. */
export function childrenOf(node: Node): readonly Node[] {
  switch (node.kind) {
    case 'literal':
    case 'path':
      return []
    case 'call':
      return node.args
    case 'unary':
      return [node.operand]
    case 'binary':
      return [node.left, node.right]
    case 'logic':
      return node.operands
    case 'if':
      return [node.condition, node.consequent, node.alternative]
    case 'index':
      return [node.object, node.index]
  }
}
