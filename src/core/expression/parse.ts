/** Parses expressions into trees (spec 02 §3). */
import type { BinaryOperator, Node } from './ast.ts'
import { ExpressionError } from './errors.ts'
import { lex, type Token } from './lex.ts'

export type { Node } from './ast.ts'

/** Nesting and length of operator chains; keeps hostile text from exhausting the stack here and in what walks the tree. */
const MAX_HEIGHT = 400

/** Binding strength of the binary operators, loosest first; all of these group to the left. */
const STRENGTH = new Map<string, number>([
  ['or', 1],
  ['and', 2],
  ['==', 3],
  ['!=', 3],
  ['<', 4],
  ['<=', 4],
  ['>', 4],
  ['>=', 4],
  ['+', 5],
  ['-', 5],
  ['*', 6],
  ['/', 6],
])

/** Throws `ExpressionError` with the 1-based column and what was expected. Names of roots and functions are not checked. */
export function parse(text: string): Node {
  return new Parser(lex(text)).whole()
}

class Parser {
  readonly #tokens: readonly Token[]
  readonly #heights = new WeakMap<Node, number>()
  #at = 0
  #depth = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  whole(): Node {
    if (this.#peek().kind === 'end') throw new ExpressionError('the expression is empty', 1, 'an expression')
    const node = this.#expression()
    if (this.#peek().kind !== 'end') throw this.#unexpected('an operator or the end')
    return node
  }

  #expression(): Node {
    return this.#binary(1)
  }

  #binary(weakest: number): Node {
    let left = this.#power()
    for (;;) {
      const operator = this.#mark()
      const strength = STRENGTH.get(operator) ?? 0
      if (strength < weakest) return left
      const { column } = this.#next()
      const right = this.#binary(strength + 1)
      if (operator === 'and' || operator === 'or') {
        const operands = [left, right]
        while (this.#accept(operator)) operands.push(this.#binary(strength + 1))
        left = this.#built({ kind: 'logic', column, operator, operands }, operands)
      } else {
        left = this.#built({ kind: 'binary', column, operator: operator as BinaryOperator, left, right }, [left, right])
      }
    }
  }

  #power(): Node {
    const left = this.#unary()
    if (this.#mark() !== '**') return left
    const { column } = this.#next()
    const right = this.#nested(() => this.#power())
    return this.#built({ kind: 'binary', column, operator: '**', left, right }, [left, right])
  }

  #unary(): Node {
    const operator = this.#mark()
    if (operator !== 'not' && operator !== '-') return this.#postfix()
    const { column } = this.#next()
    const operand = this.#nested(() => this.#unary())
    return this.#built({ kind: 'unary', column, operator, operand }, [operand])
  }

  #postfix(): Node {
    let object = this.#primary()
    while (this.#mark() === '[') {
      const { column } = this.#next()
      const index = this.#nested(() => this.#expression())
      this.#expect(']')
      object = this.#built({ kind: 'index', column, object, index }, [object, index])
    }
    return object
  }

  #primary(): Node {
    const token = this.#peek()
    const { column } = token
    switch (token.kind) {
      case 'literal':
        this.#next()
        return { kind: 'literal', column, value: token.value }
      case 'qualified':
        this.#next()
        return this.#call(token.text, column)
      case 'path': {
        this.#next()
        const [root = '', ...path] = token.path
        if (path.length === 0 && this.#mark() === '(') return this.#call(root, column)
        return { kind: 'path', column, root, path }
      }
      case 'mark':
        if (token.mark === 'if') return this.#if()
        if (token.mark === '(') {
          this.#next()
          const inner = this.#nested(() => this.#expression())
          this.#expect(')')
          return inner
        }
    }
    throw this.#unexpected('a value, a path, a function or (')
  }

  #if(): Node {
    const { column } = this.#next()
    const condition = this.#nested(() => this.#expression())
    this.#expect('then')
    const consequent = this.#nested(() => this.#expression())
    this.#expect('else')
    const alternative = this.#nested(() => this.#expression())
    return this.#built({ kind: 'if', column, condition, consequent, alternative }, [condition, consequent, alternative])
  }

  #call(name: string, column: number): Node {
    this.#expect('(')
    const args: Node[] = []
    while (this.#mark() !== ')') {
      args.push(this.#nested(() => this.#expression()))
      if (!this.#accept(',')) break
    }
    if (!this.#accept(')')) throw this.#unexpected(args.length === 0 ? ')' : ', or )')
    return this.#built({ kind: 'call', column, name, args }, args)
  }

  #peek(): Token {
    return this.#tokens[this.#at] as Token
  }

  /** The operator, bracket or keyword that comes next; empty for anything else. */
  #mark(): string {
    const token = this.#peek()
    return token.kind === 'mark' ? token.mark : ''
  }

  #next(): Token {
    const token = this.#peek()
    this.#at++
    return token
  }

  #accept(mark: string): boolean {
    if (this.#mark() !== mark) return false
    this.#at++
    return true
  }

  #expect(mark: string): void {
    if (!this.#accept(mark)) throw this.#unexpected(mark)
  }

  #unexpected(expected: string): ExpressionError {
    const { column, kind, text } = this.#peek()
    return new ExpressionError(
      `expected ${expected} but found ${kind === 'end' ? text : `'${text}'`}`,
      column,
      expected,
    )
  }

  #nested(parse: () => Node): Node {
    if (++this.#depth > MAX_HEIGHT) throw this.#tooDeep()
    const node = parse()
    this.#depth--
    return node
  }

  /** Notes how high the tree has grown; chains of operators grow to the left without nesting. */
  #built(node: Node, children: readonly Node[]): Node {
    let height = 0
    for (const child of children) height = Math.max(height, this.#heights.get(child) ?? 0)
    if (height >= MAX_HEIGHT) throw this.#tooDeep()
    this.#heights.set(node, height + 1)
    return node
  }

  #tooDeep(): ExpressionError {
    return new ExpressionError(`nested more than ${MAX_HEIGHT} levels deep`, this.#peek().column)
  }
}
