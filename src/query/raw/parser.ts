/**
 * Reads one SELECT (or VALUES) of the SQL that SQLite, Postgres and DuckDB share. Anything else is a `SqlProblem`.
 * Operators are read flat, without precedence: the checker only needs the names in them, and the text runs as written.
 */
import type {
  BodyNode,
  CteNode,
  ExprNode,
  ItemNode,
  JoinNode,
  Name,
  QueryNode,
  SelectNode,
  SourceNode,
  ValuesNode,
} from './ast.ts'
import { ExpressionParser } from './expression-parser.ts'
import { SqlProblem, tokenize } from './lexer.ts'

/** The one statement of `sql`, without a closing semicolon. */
export function parseQuery(sql: string): QueryNode {
  const parser = new QueryParser(tokenize(sql))
  return parser.statement()
}

class QueryParser extends ExpressionParser {
  statement(): QueryNode {
    if (!this.isWord('select', 'with', 'values') && !this.isSymbol('(')) {
      throw new SqlProblem('only one reading statement is allowed: SELECT, WITH … SELECT or VALUES', this.token.start)
    }
    const query = this.query()
    const semicolon = this.takeSymbol(';')
    if (this.token.kind === 'end') return query
    throw new SqlProblem(semicolon ? 'only one statement is allowed' : this.unexpected(), this.token.start)
  }

  override query(): QueryNode {
    this.enter()
    const at = this.token.start
    const ctes: CteNode[] = []
    let recursive = false
    if (this.takeWord('with')) {
      recursive = this.takeWord('recursive')
      do ctes.push(this.#cte())
      while (this.takeSymbol(','))
    }
    const body = this.#body()
    const orderBy = this.takeWord('order') ? this.orderKeys() : []
    const rest = []
    while (this.isWord('limit', 'offset')) {
      this.advance()
      rest.push(this.expression())
      if (this.takeSymbol(',')) rest.push(this.expression())
    }
    this.leave()
    return { kind: 'query', at, recursive, with: ctes, body, orderBy, rest }
  }

  #cte(): CteNode {
    const name = this.name('a name for the common table expression')
    const columns = this.isSymbol('(') ? this.nameList() : null
    this.expectWord('as')
    if (this.takeWord('not')) this.expectWord('materialized')
    else this.takeWord('materialized')
    this.expectSymbol('(')
    const query = this.query()
    this.expectSymbol(')')
    return { name, columns, query }
  }

  #body(): BodyNode {
    let left = this.#core()
    while (this.isWord('union', 'intersect', 'except')) {
      const at = this.advance().start
      if (!this.takeWord('all')) this.takeWord('distinct')
      left = { kind: 'set', at, left, right: this.#core() }
    }
    return left
  }

  #core(): BodyNode {
    if (this.takeSymbol('(')) {
      const query = this.query()
      this.expectSymbol(')')
      return query
    }
    if (this.isWord('values')) return this.#values()
    return this.#select()
  }

  #values(): ValuesNode {
    const at = this.advance().start
    const rows = []
    do {
      this.expectSymbol('(')
      rows.push(this.expressions())
      this.expectSymbol(')')
    } while (this.takeSymbol(','))
    return { kind: 'values', at, rows }
  }

  #select(): SelectNode {
    const at = this.token.start
    this.expectWord('select')
    const distinctOn = this.#distinct()
    const items: ItemNode[] = []
    do items.push(this.#item())
    while (this.takeSymbol(','))
    const from = this.takeWord('from') ? this.#sources() : []
    const where = this.takeWord('where') ? this.expression() : null
    const groupBy = [...distinctOn]
    if (this.takeWord('group')) {
      this.expectWord('by')
      groupBy.push(...this.expressions())
    }
    const having = this.takeWord('having') ? this.expression() : null
    const windows = []
    if (this.takeWord('window')) {
      do {
        this.name('a name for the window')
        this.expectWord('as')
        windows.push(...this.windowDefinition())
      } while (this.takeSymbol(','))
    }
    return { kind: 'select', at, items, from, where, groupBy, having, windows }
  }

  /** The keys of DISTINCT ON, which see what those of GROUP BY see. */
  #distinct(): ExprNode[] {
    if (!this.takeWord('distinct')) {
      this.takeWord('all')
      return []
    }
    if (!this.takeWord('on')) return []
    this.expectSymbol('(')
    const keys = this.expressions()
    this.expectSymbol(')')
    return keys
  }

  #item(): ItemNode {
    const at = this.token.start
    if (this.takeSymbol('*')) return { kind: 'star', table: null, at, end: this.previousEnd }
    if (this.isName() && this.isSymbolAt(1, '.') && this.isSymbolAt(2, '*')) {
      const table = this.name('a table')
      this.advance()
      this.advance()
      return { kind: 'star', table, at, end: this.previousEnd }
    }
    const expr = this.expression()
    return { kind: 'item', expr, alias: this.alias() }
  }

  #sources(): SourceNode[] {
    const sources = []
    do sources.push(this.#joined())
    while (this.takeSymbol(','))
    return sources
  }

  #joined(): SourceNode {
    let left = this.#source()
    while (this.isWord('join', 'natural', 'inner', 'left', 'right', 'full', 'cross')) {
      const natural = this.takeWord('natural')
      const cross = this.takeWord('cross')
      if (
        !cross &&
        !this.takeWord('inner') &&
        (this.takeWord('left') || this.takeWord('right') || this.takeWord('full'))
      ) {
        this.takeWord('outer')
      }
      this.expectWord('join')
      left = this.#condition(left, this.#source(), natural)
    }
    return left
  }

  #condition(left: SourceNode, right: SourceNode, natural: boolean): JoinNode {
    const on = this.takeWord('on') ? this.expression() : null
    const using = on === null && this.takeWord('using') ? this.nameList() : null
    return { kind: 'join', left, right, natural, using, on }
  }

  #source(): SourceNode {
    const start = this.token.start
    if (this.takeSymbol('(')) {
      if (this.isWord('select', 'with', 'values')) {
        const query = this.query()
        this.expectSymbol(')')
        return { kind: 'subquery', query, ...this.#named() }
      }
      this.enter()
      const inner = this.#joined()
      this.leave()
      this.expectSymbol(')')
      return inner
    }
    let name = this.name('a table')
    let schema: Name | null = null
    if (this.takeSymbol('.')) {
      schema = name
      name = this.name('a table')
    }
    if (this.isSymbol('(')) {
      this.callRest(name)
      this.alias()
      return { kind: 'function', name }
    }
    const end = this.previousEnd
    return { kind: 'table', schema, name, start, end, ...this.#named() }
  }

  #named(): { alias: Name | null; columns: Name[] | null } {
    const alias = this.alias()
    return { alias, columns: alias !== null && this.isSymbol('(') ? this.nameList() : null }
  }
}
