/** Token stream and expressions of hand-written SQL; `parser.ts` adds the statements. */
import type { ExprNode, Name, QueryNode } from './ast.ts'
import { SqlProblem, type Token } from './lexer.ts'

/** Words that end an expression or a table name and so cannot be names without quotes. */
const RESERVED = new Set(
  `all and any array as asc between by case cast collate cross desc distinct else end escape except exists filter from
  full group having ilike in inner intersect into is isnull join left like limit natural not notnull null offset on or
  order outer over recursive right select similar some then union using values when where window with within lateral
  glob match regexp true false current_date current_time current_timestamp for fetch returning set`.split(/\s+/),
)
const INFIX_WORDS = ['and', 'or', 'is', 'like', 'ilike', 'glob', 'in', 'between', 'not', 'escape']
const BOOLEAN_SYMBOLS = ['=', '==', '<', '>', '<=', '>=', '<>', '!=', '~', '~*', '!~', '!~*']
const INFIX_SYMBOLS = [...BOOLEAN_SYMBOLS, '+', '-', '*', '/', '%', '||', '&', '|', '<<', '>>', '->', '->>']
/** Type names that may stand before a text: `date '2024-01-01'`. */
const TYPED_TEXT = ['date', 'time', 'timestamp', 'timestamptz', 'interval']
/** Deeper nesting is refused, so that no text can exhaust the stack. */
const MAX_DEPTH = 100

export class ExpressionParser {
  readonly #tokens: readonly Token[]
  #at = 0
  #depth = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  query(): QueryNode {
    throw new SqlProblem('a query cannot stand here', this.token.start)
  }

  // ── expressions ────────────────────────────────────────────────────────────────────────────────────────────────

  expressions(): ExprNode[] {
    const list = []
    do list.push(this.expression())
    while (this.takeSymbol(','))
    return list
  }

  expression(): ExprNode {
    this.enter()
    const parts = [this.#operand()]
    let boolean = false
    while (this.isWord(...INFIX_WORDS, 'isnull', 'notnull') || this.isSymbol(...INFIX_SYMBOLS)) {
      const operator = this.advance()
      const word = operator.kind === 'word' ? operator.text.toLowerCase() : operator.text
      boolean ||= operator.kind === 'word' || BOOLEAN_SYMBOLS.includes(word)
      if (word === 'isnull' || word === 'notnull') continue
      if (word === 'not' && this.takeWord('null')) continue
      if (word === 'not' && !this.isWord('in', 'like', 'ilike', 'glob', 'between')) {
        throw new SqlProblem(this.unexpected(), this.token.start)
      }
      if (word === 'not') continue
      if (word === 'is') {
        this.takeWord('not')
        if (this.takeWord('distinct')) this.expectWord('from')
      }
      // SQLite also takes a bare table name after IN; that would be a way around the table check.
      if (word === 'in') parts.push(...this.#inList())
      else parts.push(this.#operand())
    }
    this.leave()
    return parts.length === 1 && !boolean ? (parts[0] as ExprNode) : { kind: 'parts', parts, boolean }
  }

  /** `(a, b)`, `(select …)` or `()` after IN. */
  #inList(): ExprNode[] {
    this.expectSymbol('(')
    let list: ExprNode[] = []
    if (this.isWord('select', 'with', 'values')) list = [{ kind: 'query', query: this.query(), exists: false }]
    else if (!this.isSymbol(')')) list = this.expressions()
    this.expectSymbol(')')
    return list
  }

  #operand(): ExprNode {
    let negated = false
    for (;;) {
      if (this.takeWord('not')) negated = true
      else if (!(this.takeSymbol('-') || this.takeSymbol('+') || this.takeSymbol('~'))) break
    }
    let operand = this.#primary()
    for (;;) {
      if (this.takeWord('collate')) this.name('a collation')
      else if (this.takeSymbol('::'))
        operand = { kind: 'cast', at: this.token.start, to: this.#typeName(), arg: operand }
      else if (this.#takeTimeZone()) operand = { kind: 'parts', parts: [operand, this.#primary()], boolean: false }
      else break
    }
    return negated ? { kind: 'parts', parts: [operand], boolean: true } : operand
  }

  #takeTimeZone(): boolean {
    const found = this.isWord('at') && this.isWordAt(1, 'time') && this.isWordAt(2, 'zone')
    if (found) for (let i = 0; i < 3; i++) this.advance()
    return found
  }

  #primary(): ExprNode {
    const { token } = this
    switch (token.kind) {
      case 'number':
        this.advance()
        return { kind: 'literal', type: /^\d+$/.test(token.text) ? 'integer' : 'number' }
      case 'string':
        this.advance()
        return { kind: 'literal', type: 'string' }
      case 'param':
        this.advance()
        return { kind: 'literal', type: 'unknown' }
      case 'symbol':
        if (token.text === '(') return this.#parenthesized()
        break
      case 'word': {
        const special = this.#keywordOperand(token.text.toLowerCase())
        if (special !== null) return special
        break
      }
    }
    // Words of joins that are functions as well.
    if (this.isWord('left', 'right') && this.isSymbolAt(1, '(')) {
      this.advance()
      return this.callRest({ text: token.text, quoted: false, at: token.start })
    }
    if (!this.isName()) throw new SqlProblem(this.unexpected(), token.start)
    const first = this.name('a column')
    if (this.isSymbol('(')) return this.callRest(first)
    if (!first.quoted && TYPED_TEXT.includes(first.text.toLowerCase()) && this.token.kind === 'string') {
      this.advance()
      return { kind: 'literal', type: 'unknown' }
    }
    const path = [first]
    while (this.takeSymbol('.')) path.push(this.name('a column'))
    return { kind: 'column', path }
  }

  #parenthesized(): ExprNode {
    this.expectSymbol('(')
    if (this.isWord('select', 'with', 'values')) {
      const query = this.query()
      this.expectSymbol(')')
      return { kind: 'query', query, exists: false }
    }
    const parts = this.expressions()
    this.expectSymbol(')')
    return parts.length === 1 ? (parts[0] as ExprNode) : { kind: 'parts', parts, boolean: false }
  }

  #keywordOperand(word: string): ExprNode | null {
    switch (word) {
      case 'null':
      case 'current_date':
      case 'current_time':
      case 'current_timestamp':
        this.advance()
        return { kind: 'literal', type: 'unknown' }
      case 'true':
      case 'false':
        this.advance()
        return { kind: 'literal', type: 'boolean' }
      case 'case':
        return this.#case()
      case 'cast':
        return this.#cast()
      case 'exists': {
        this.advance()
        this.expectSymbol('(')
        const query = this.query()
        this.expectSymbol(')')
        return { kind: 'query', query, exists: true }
      }
      default:
        return null
    }
  }

  #case(): ExprNode {
    this.advance()
    const parts = this.isWord('when') ? [] : [this.expression()]
    while (this.takeWord('when')) {
      parts.push(this.expression())
      this.expectWord('then')
      parts.push(this.expression())
    }
    if (this.takeWord('else')) parts.push(this.expression())
    this.expectWord('end')
    return { kind: 'parts', parts, boolean: false }
  }

  #cast(): ExprNode {
    this.advance()
    this.expectSymbol('(')
    const arg = this.expression()
    this.expectWord('as')
    const at = this.token.start
    const to = this.#typeName()
    this.expectSymbol(')')
    return { kind: 'cast', at, to, arg }
  }

  #typeName(): string {
    let type = this.name('a type').text.toLowerCase()
    while (this.isWord('precision', 'varying', 'with', 'without', 'time', 'zone'))
      type += ` ${this.advance().text.toLowerCase()}`
    if (this.takeSymbol('(')) {
      this.expressions()
      this.expectSymbol(')')
    }
    return type
  }

  /** The arguments of a call and what may follow: WITHIN GROUP, FILTER, OVER. */
  callRest(name: Name): ExprNode {
    this.expectSymbol('(')
    const rest: ExprNode[] = []
    let args: ExprNode[] = []
    if (this.takeSymbol('*')) args = []
    else if (name.text.toLowerCase() === 'extract' && this.isName()) {
      this.advance()
      this.expectWord('from')
      args = [this.expression()]
    } else if (!this.isSymbol(')')) {
      if (!this.takeWord('distinct')) this.takeWord('all')
      args = this.expressions()
      if (this.takeWord('order')) rest.push(...this.orderKeys())
    }
    this.expectSymbol(')')
    if (this.takeWord('within')) {
      this.expectWord('group')
      this.expectSymbol('(')
      this.expectWord('order')
      rest.push(...this.orderKeys())
      this.expectSymbol(')')
    }
    if (this.takeWord('filter')) {
      this.expectSymbol('(')
      this.expectWord('where')
      rest.push(this.expression())
      this.expectSymbol(')')
    }
    if (this.takeWord('over')) {
      if (this.isSymbol('(')) rest.push(...this.windowDefinition())
      else this.name('a window')
    }
    return { kind: 'call', name, args, rest }
  }

  /** `( [name] [PARTITION BY …] [ORDER BY …] [frame] )`. */
  windowDefinition(): ExprNode[] {
    const parts: ExprNode[] = []
    this.expectSymbol('(')
    if (this.isName() && !this.isWord('partition', 'rows', 'range', 'groups')) this.name('a window')
    if (this.takeWord('partition')) {
      this.expectWord('by')
      parts.push(...this.expressions())
    }
    if (this.takeWord('order')) parts.push(...this.orderKeys())
    if (this.isWord('rows', 'range', 'groups')) this.#frame(parts)
    this.expectSymbol(')')
    return parts
  }

  #frame(parts: ExprNode[]): void {
    this.advance()
    const between = this.takeWord('between')
    this.#bound(parts)
    if (between) {
      this.expectWord('and')
      this.#bound(parts)
    }
    if (this.takeWord('exclude')) {
      if (this.takeWord('no')) this.expectWord('others')
      else if (this.takeWord('current')) this.expectWord('row')
      else if (!this.takeWord('ties')) this.expectWord('group')
    }
  }

  #bound(parts: ExprNode[]): void {
    if (this.takeWord('current')) {
      this.expectWord('row')
      return
    }
    if (!this.takeWord('unbounded')) parts.push(this.#operand())
    if (!this.takeWord('preceding')) this.expectWord('following')
  }

  orderKeys(): ExprNode[] {
    this.expectWord('by')
    const keys = []
    do {
      keys.push(this.expression())
      if (!this.takeWord('asc')) this.takeWord('desc')
      if (this.takeWord('nulls') && !this.takeWord('first')) this.expectWord('last')
    } while (this.takeSymbol(','))
    return keys
  }

  // ── tokens ─────────────────────────────────────────────────────────────────────────────────────────────────────

  get token(): Token {
    return this.#tokens[this.#at] as Token
  }

  get previousEnd(): number {
    return this.#tokens[this.#at - 1]?.end ?? 0
  }

  advance(): Token {
    const { token } = this
    if (token.kind !== 'end') this.#at++
    return token
  }

  isWord(...words: readonly string[]): boolean {
    return this.token.kind === 'word' && words.includes(this.token.text.toLowerCase())
  }

  isSymbol(...symbols: readonly string[]): boolean {
    return this.token.kind === 'symbol' && symbols.includes(this.token.text)
  }

  isSymbolAt(offset: number, symbol: string): boolean {
    const token = this.#tokens[this.#at + offset]
    return token?.kind === 'symbol' && token.text === symbol
  }

  isWordAt(offset: number, word: string): boolean {
    const token = this.#tokens[this.#at + offset]
    return token?.kind === 'word' && token.text.toLowerCase() === word
  }

  isName(): boolean {
    const { kind, text } = this.token
    return kind === 'quoted' || (kind === 'word' && !RESERVED.has(text.toLowerCase()))
  }

  takeWord(word: string): boolean {
    const found = this.isWord(word)
    if (found) this.advance()
    return found
  }

  takeSymbol(symbol: string): boolean {
    const found = this.isSymbol(symbol)
    if (found) this.advance()
    return found
  }

  expectWord(word: string): void {
    if (!this.takeWord(word))
      throw new SqlProblem(`${this.unexpected()}, ${word.toUpperCase()} expected`, this.token.start)
  }

  expectSymbol(symbol: string): void {
    if (!this.takeSymbol(symbol)) throw new SqlProblem(`${this.unexpected()}, '${symbol}' expected`, this.token.start)
  }

  name(what: string): Name {
    if (!this.isName()) throw new SqlProblem(`${this.unexpected()}, ${what} expected`, this.token.start)
    const { text, kind, start } = this.advance()
    return { text, quoted: kind === 'quoted', at: start }
  }

  nameList(): Name[] {
    this.expectSymbol('(')
    const names = []
    do names.push(this.name('a column'))
    while (this.takeSymbol(','))
    this.expectSymbol(')')
    return names
  }

  alias(): Name | null {
    if (this.takeWord('as')) return this.name('a name')
    return this.isName() ? this.name('a name') : null
  }

  /** Texts are values and are not repeated in messages. */
  unexpected(): string {
    const { kind, text } = this.token
    if (kind === 'end') return 'unexpected end of the statement'
    return kind === 'string' ? 'unexpected text' : `unexpected '${text}'`
  }

  enter(): void {
    if (++this.#depth > MAX_DEPTH) throw new SqlProblem('nested too deeply', this.token.start)
  }

  leave(): void {
    this.#depth--
  }
}
