/**
 * What a reading statement may call (spec 06 §6). The server is asked which relations a statement touches; functions it
 * does not tell, so they are found in the text: whatever stands before a parenthesis is one, unless the grammar says
 * otherwise. Nothing here relies on checks made earlier.
 */
import { QueryError } from '../../errors.ts'

interface Token {
  readonly kind: 'word' | 'quoted' | 'other'
  /** Words in lower case, as the server folds them; the content of quoted names. */
  readonly text: string
}

/** Words that are no functions although a parenthesis may follow. Names of functions are not among them. */
const GRAMMAR = new Set(
  `all and any array as between by case cast coalesce cube distinct else escape except exists extract filter from greatest
  group grouping having ilike in intersect is join lateral least like limit materialized not nullif offset on or over
  overlay partition position rollup row select sets similar some substring then to trim union using values when where
  within zone bit char character decimal float interval numeric precision time timestamp varchar varying`.split(/\s+/),
)
/**
 * Functions of the server that are not immutable (those are all allowed: they know nothing but their arguments) and yet
 * read only their arguments, the clock or settings of the session.
 */
export const HARMLESS: readonly string[] =
  `age array_to_json array_to_string clock_timestamp concat concat_ws convert_from
  convert_to date date_part date_trunc extract format gen_random_uuid generate_series json_agg json_build_array
  json_build_object json_object_agg jsonb_agg jsonb_build_array jsonb_build_object jsonb_object_agg
  jsonb_path_exists_tz jsonb_path_query_first_tz jsonb_path_query_tz length make_timestamptz now overlaps
  phraseto_tsquery plainto_tsquery quote_literal quote_nullable random row_to_json statement_timestamp timeofday
  timestamptz to_char to_date to_json to_jsonb to_number to_timestamp to_tsquery to_tsvector transaction_timestamp
  websearch_to_tsquery`.split(/\s+/)

/** Throws `QueryError` if the text calls a function that is not in `allowed`, or is written so that it cannot be told. */
export function checkCalls(sql: string, allowed: ReadonlySet<string>): void {
  const tokens = tokenize(sql)
  tokens.forEach((token, i) => {
    if (token.kind === 'other' || !isSymbol(tokens[i + 1], '(')) return
    // Names with a schema, and `operator(…)`, lead to what somebody has added to the server.
    if (isSymbol(tokens[i - 1], '.') || (token.kind === 'word' && token.text === 'operator')) throw refused(token.text)
    if (token.kind === 'word' && GRAMMAR.has(token.text)) return
    if (!allowed.has(token.text) && !namesRelation(tokens, i)) throw refused(token.text)
  })
}

/** `… as name (columns)`, `"table" name (columns)` and `with name (columns) as (select …)` call nothing. */
function namesRelation(tokens: readonly Token[], at: number): boolean {
  const before = tokens[at - 1]
  if (before?.kind === 'quoted') return true
  if (before?.kind === 'word' && ['as', 'with', 'recursive'].includes(before.text)) return true
  const end = closing(tokens, at + 1)
  const words = tokens.slice(end + 1, end + 7).map((token) => (token.kind === 'quoted' ? '' : token.text))
  // The columns of `f(…) as (a text)` cannot begin with these words, so this is a common table expression.
  return /^as (?:not )?(?:materialized )?\( (?:select|with|\(|values \()/.test(words.join(' '))
}

function isSymbol(token: Token | undefined, text: string): boolean {
  return token?.kind === 'other' && token.text === text
}

function closing(tokens: readonly Token[], open: number): number {
  let depth = 0
  for (let i = open; i < tokens.length; i += 1) {
    if (isSymbol(tokens[i], '(')) depth += 1
    else if (isSymbol(tokens[i], ')') && --depth === 0) return i
  }
  return tokens.length
}

const GAP = /(?:[ \t\n\r\f\v]|--[^\n\r]*)+/y
const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y
const QUOTED = /"(?:[^"\0]|"")+"/y
const TEXT = /'(?:[^'\0]|'')*'/y
const PARAMETER = /\$\d+/y
const NUMBER = /\d[\w.]*/y

/** Texts and numbers are left out but for their place; what has several readings is refused. */
function tokenize(sql: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    const found = pattern.exec(sql)?.[0]
    at += found?.length ?? 0
    return found
  }
  while (at < sql.length) {
    if (take(GAP) !== undefined) continue
    if (sql.startsWith('/*', at)) {
      at = commentEnd(sql, at)
      continue
    }
    const word = take(WORD)
    if (word !== undefined) {
      // E'…' and U&'…' have escapes of their own.
      if (/^e$/i.test(word) && sql[at] === "'") throw unreadable("E'…'")
      if (/^u$/i.test(word) && /^&['"]/.test(sql.slice(at, at + 2))) throw unreadable('U&')
      tokens.push({ kind: 'word', text: word.replace(/[A-Z]/g, (c) => c.toLowerCase()) })
      continue
    }
    const quoted = take(QUOTED)
    if (quoted !== undefined) tokens.push({ kind: 'quoted', text: quoted.slice(1, -1).replaceAll('""', '"') })
    else if ((take(TEXT) ?? take(PARAMETER) ?? take(NUMBER)) !== undefined) tokens.push({ kind: 'other', text: '' })
    else if (/["'$\0]/.test(sql[at] as string)) throw unreadable(sql[at] === '$' ? '$…$' : 'an open quote')
    else tokens.push({ kind: 'other', text: sql[at++] as string })
  }
  return tokens
}

function commentEnd(sql: string, start: number): number {
  let depth = 0
  for (let at = start; at < sql.length; ) {
    const two = sql.slice(at, at + 2)
    at += two === '/*' || two === '*/' ? 2 : 1
    if (two === '/*') depth += 1
    else if (two === '*/' && --depth === 0) return at
  }
  throw unreadable('an open comment')
}

function refused(name: string): QueryError {
  return new QueryError(
    `function "${name}" is unknown or not allowed: queries may call functions of Postgres itself that read nothing but their arguments`,
    { code: 'E_QUERY_SQL' },
  )
}

function unreadable(what: string): QueryError {
  return new QueryError(`queries cannot contain ${what}; write texts as '…' and names as "…"`, {
    code: 'E_QUERY_SQL',
  })
}
