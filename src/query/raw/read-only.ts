/** The part of the check that nothing switches off: one statement, and it only reads (spec 06 §6 rule 1). */
import { isForbiddenFunction, isForbiddenType } from './functions.ts'
import { SqlProblem, type Token } from './lexer.ts'

/** Statements and clauses that write, lock, or change the session. */
const WRITING = new Set(
  `insert update delete merge create drop alter truncate attach detach pragma vacuum reindex analyze copy into call
  execute prepare deallocate grant revoke lock begin commit rollback savepoint release set reset do import export install
  load checkpoint listen notify unlisten refresh cluster comment security discard declare move close returning`.split(
    /\s+/,
  ),
)

/** Works on tokens alone, for SQL whose grammar we do not know. Names that look like writing words need quotes. */
export function readOnlyProblems(tokens: readonly Token[]): SqlProblem[] {
  const problems: SqlProblem[] = []
  const report = (message: string, token: Token): void => {
    problems.push(new SqlProblem(message, token.start))
  }
  const [first] = tokens as [Token]
  const start = tokens.find((token) => token.text !== '(') ?? first
  if (start.kind !== 'word' || !['select', 'with', 'values'].includes(start.text.toLowerCase())) {
    report('only one reading statement is allowed: SELECT, WITH … SELECT or VALUES', start)
  }
  let depth = 0
  tokens.forEach((token, i) => {
    const next = tokens[i + 1]
    if (token.kind === 'symbol') {
      if (token.text === '(') depth++
      // A parenthesis that closes more than was opened would end the sub-select the text runs in.
      if (token.text === ')' && --depth < 0) report("unexpected ')'", token)
      if (token.text === ';' && next?.kind !== 'end') report('only one statement is allowed', token)
      return
    }
    if (token.kind !== 'word' && token.kind !== 'quoted') return
    const word = token.text.toLowerCase()
    if (token.kind === 'word' && WRITING.has(word)) report(`'${word}' is not allowed in a query`, token)
    const called = next?.kind === 'symbol' && next.text === '('
    if (token.kind === 'word' && word === 'replace' && !called) report("'replace' is not allowed in a query", token)
    const before = tokens[i - 1]
    const isType = before?.text === '::' || before?.text.toLowerCase() === 'as' || next?.kind === 'string'
    if (isType && isForbiddenType(word)) report(`type "${word}" is not allowed in queries`, token)
    // Table functions may be called without parentheses.
    const pragma = word.startsWith('pragma_')
    if ((called && isForbiddenFunction(word)) || pragma) report(`function "${word}" is not allowed in queries`, token)
  })
  if (depth > 0) report("')' is missing", tokens.at(-1) ?? first)
  return problems
}
