/** Splits an expression into tokens (spec 02 §3). A path or a qualified name is one token: no blanks within. */
import { parseDurationText } from '../instant.ts'
import { toFloat, toInt, type Value } from '../value.ts'
import { isBlank } from './code-points.ts'
import { ExpressionError } from './errors.ts'

export type Token =
  | { readonly kind: 'literal'; readonly column: number; readonly text: string; readonly value: Value }
  /** A word with what follows it after dots. */
  | { readonly kind: 'path'; readonly column: number; readonly text: string; readonly path: readonly string[] }
  /** `name::name`. */
  | { readonly kind: 'qualified'; readonly column: number; readonly text: string }
  /** Operators, brackets and keywords, one spelling each (`&&` is `and`). */
  | { readonly kind: 'mark'; readonly column: number; readonly text: string; readonly mark: string }
  | { readonly kind: 'end'; readonly column: number; readonly text: string }

const KEYWORDS = new Set(['and', 'or', 'not', 'if', 'then', 'else'])
const CONSTANTS = new Map<string, Value>([
  ['true', true],
  ['false', false],
  ['null', null],
])
const MARKS = ['**', '==', '!=', '>=', '<=', '&&', '||', '>', '<', '+', '-', '*', '/', '!', '(', ')', '[', ']', ',']
const SAME = new Map([
  ['&&', 'and'],
  ['||', 'or'],
  ['!', 'not'],
])
const ESCAPES = new Map([
  ['\\', '\\'],
  ['"', '"'],
  ["'", "'"],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
])
const WORD = /[A-Za-z_][A-Za-z0-9_]*/y
const SEGMENT = /\.(?:[A-Za-z_][A-Za-z0-9_]*|\d+(?![A-Za-z0-9_]))/y
const NUMBER = /\d+(?:\.\d+|[dhms](?![A-Za-z0-9_]))?/y
const WORD_PART = /[A-Za-z0-9_]/

/** Throws `ExpressionError` at the first text that is no token. */
export function lex(text: string): Token[] {
  return new Lexer(text).tokens()
}

class Lexer {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  tokens(): Token[] {
    const tokens: Token[] = []
    for (;;) {
      while (this.#at < this.#text.length && isBlank(this.#text.charCodeAt(this.#at))) this.#at++
      if (this.#at === this.#text.length) {
        tokens.push({ kind: 'end', column: this.#at + 1, text: 'the end' })
        return tokens
      }
      tokens.push(this.#token(this.#at, this.#text.charAt(this.#at)))
    }
  }

  #token(start: number, first: string): Token {
    if (first === '"' || first === "'") return this.#string(start, first)
    if (first >= '0' && first <= '9') return this.#number(start)
    const word = this.#match(WORD)
    if (word !== null) return this.#word(start, word)
    for (const mark of MARKS) {
      if (!this.#text.startsWith(mark, start)) continue
      this.#at += mark.length
      return { kind: 'mark', column: start + 1, text: mark, mark: SAME.get(mark) ?? mark }
    }
    if (first === '=') throw new ExpressionError("'=' is no operator, use '=='", start + 1, "'=='")
    const found = String.fromCodePoint(this.#text.codePointAt(start) as number)
    throw new ExpressionError(`unexpected '${found}'`, start + 1, 'an operand or operator')
  }

  /** Consumes what a sticky pattern finds here. */
  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)
    if (found === null) return null
    this.#at += found[0].length
    return found[0]
  }

  #word(start: number, word: string): Token {
    const column = start + 1
    if (KEYWORDS.has(word)) return { kind: 'mark', column, text: word, mark: word }
    const constant = CONSTANTS.get(word)
    if (constant !== undefined) return { kind: 'literal', column, text: word, value: constant }
    if (this.#text.startsWith('::', this.#at)) {
      this.#at += 2
      const second = this.#match(WORD)
      if (second === null) throw new ExpressionError("expected a name after '::'", this.#at + 1, 'a name')
      return { kind: 'qualified', column, text: `${word}::${second}` }
    }
    const path = [word]
    for (let part = this.#match(SEGMENT); part !== null; part = this.#match(SEGMENT)) path.push(part.slice(1))
    if (this.#text.charAt(this.#at) === '.') {
      throw new ExpressionError("expected a field name or a position after '.'", this.#at + 2, 'a field name')
    }
    return { kind: 'path', column, text: path.join('.'), path }
  }

  #number(start: number): Token {
    const column = start + 1
    const text = this.#match(NUMBER) as string
    if (WORD_PART.test(this.#text.charAt(this.#at))) {
      const message = 'a number ends before a letter or digit; durations are one number and one of d, h, m, s'
      throw new ExpressionError(message, this.#at + 1, 'an operator or the end')
    }
    return { kind: 'literal', column, text, value: numberValue(text, column) }
  }

  #string(start: number, quote: string): Token {
    let value = ''
    let from = start + 1
    for (let at = from; at < this.#text.length; at++) {
      const char = this.#text.charAt(at)
      if (char === quote) {
        this.#at = at + 1
        value += this.#text.slice(from, at)
        return { kind: 'literal', column: start + 1, text: this.#text.slice(start, this.#at), value }
      }
      if (char !== '\\') continue
      const replaced = ESCAPES.get(this.#text.charAt(at + 1))
      // Any other escape keeps its backslash, so that patterns can be written as they are.
      if (replaced !== undefined) {
        value += this.#text.slice(from, at) + replaced
        from = at + 2
      }
      at++
    }
    throw new ExpressionError(`text without closing ${quote}`, start + 1, quote)
  }
}

function numberValue(text: string, column: number): Value {
  if (text.includes('.')) {
    const value = Number(text)
    if (!Number.isFinite(value)) throw new ExpressionError('number beyond the range of Float', column)
    return toFloat(value)
  }
  if (/\D$/.test(text)) {
    const duration = parseDurationText(text)
    if (duration === null) throw new ExpressionError('duration too long', column)
    return duration
  }
  const digits = text.replace(/^0+(?=\d)/, '')
  const value = digits.length > 19 ? null : toInt(BigInt(digits))
  if (value === null) throw new ExpressionError('integer beyond the range of Int (64 bits)', column)
  return value
}
