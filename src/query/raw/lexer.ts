/**
 * Tokens of hand-written SQL. What is not certain to mean the same to us and to the database (other quote styles,
 * nested comments, control characters) is refused, so that the text we check is the text that runs.
 */

export interface Token {
  readonly kind: 'word' | 'quoted' | 'string' | 'number' | 'param' | 'symbol' | 'end'
  /** Words and symbols as written, the content of quoted names, the name or number of a parameter. */
  readonly text: string
  readonly start: number
  readonly end: number
}

/** A problem at a place of the text: offset, and 1-based line and column derived from it. */
export class SqlProblem extends Error {
  readonly offset: number
  readonly suggestion: string | null
  constructor(message: string, offset: number, suggestion: string | null = null) {
    super(message)
    this.offset = offset
    this.suggestion = suggestion
  }
}

const SYMBOLS = [
  '!~*',
  '!~',
  '~*',
  '->>',
  '||',
  '<=',
  '>=',
  '<>',
  '!=',
  '==',
  '::',
  '->',
  '<<',
  '>>',
  ...'()+-*/%,.;<>=&|~',
]
const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y
const NUMBER = /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y
const SPACE = /[ \t\r\n]+/y
const LINE_COMMENT = /--[^\n\r]*/y

export function tokenize(sql: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    return pattern.exec(sql)?.[0]
  }
  const push = (kind: Token['kind'], text: string, end: number): void => {
    tokens.push({ kind, text, start: at, end })
    at = end
  }
  while (at < sql.length) {
    const gap = match(SPACE) ?? match(LINE_COMMENT)
    if (gap !== undefined) {
      at += gap.length
      continue
    }
    if (sql.startsWith('/*', at)) {
      at = commentEnd(sql, at)
      continue
    }
    const char = sql[at] as string
    if (char === "'" || char === '"') {
      const { text, end } = quoted(sql, at, char)
      push(char === "'" ? 'string' : 'quoted', text, end)
      continue
    }
    if (char === '$' || char === ':') {
      const name = parameter(sql, at)
      if (name !== null) {
        push('param', name, at + 1 + name.length)
        continue
      }
    }
    const word = match(WORD)
    if (word !== undefined) {
      push('word', word, at + word.length)
      continue
    }
    const number = match(NUMBER)
    if (number !== undefined) {
      push('number', number, at + number.length)
      if (/[\w$\u0080-\uffff]/.test(sql[at] ?? ' ')) throw new SqlProblem('a number runs into a name', at)
      continue
    }
    const symbol = SYMBOLS.find((candidate) => sql.startsWith(candidate, at))
    if (symbol === undefined) throw new SqlProblem(refusal(char), at)
    push('symbol', symbol, at + symbol.length)
  }
  tokens.push({ kind: 'end', text: '', start: at, end: at })
  return tokens
}

/** 1-based line and column of an offset. */
export function position(sql: string, offset: number): { line: number; column: number } {
  const before = sql.slice(0, offset)
  return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') }
}

function quoted(sql: string, start: number, quote: string): { text: string; end: number } {
  let text = ''
  let at = start + 1
  while (at < sql.length) {
    if (sql[at] === '\0') throw new SqlProblem(refusal('\0'), at)
    if (sql[at] !== quote) text += sql[at++]
    else if (sql[at + 1] === quote) {
      text += quote
      at += 2
    } else {
      if (quote === '"' && text === '') throw new SqlProblem('an empty name', start)
      return { text, end: at + 1 }
    }
  }
  throw new SqlProblem(quote === "'" ? 'the text is not closed' : 'the quoted name is not closed', start)
}

function commentEnd(sql: string, start: number): number {
  const end = sql.indexOf('*/', start + 2)
  if (end < 0) throw new SqlProblem('the comment is not closed', start)
  if (sql.slice(start + 2, end).includes('/*')) throw new SqlProblem('comments inside comments are not allowed', start)
  return end + 2
}

/** `$1` or `:name`; null for anything else that begins so (`::`). */
function parameter(sql: string, at: number): string | null {
  const pattern = sql[at] === '$' ? /[1-9]\d*(?![\w$])/y : /[A-Za-z_]\w*/y
  pattern.lastIndex = at + 1
  return pattern.exec(sql)?.[0] ?? null
}

function refusal(char: string): string {
  if (char === '`' || char === '[') return 'quote names with double quotes'
  if (char === '?') return 'write parameters as $1 or :name'
  if (char < ' ' || char === '\x7f') return 'a control character'
  return `unexpected '${char}'`
}
