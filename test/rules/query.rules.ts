/** Rules of the query layer (spec 06). */
import assert from 'node:assert/strict'
import { type Instant, instantFromText } from '../../src/core/instant.ts'
import type { Change } from '../../src/core/snapshot.ts'
import { assertEntity } from '../../src/query/assert-entity.ts'
import { desc, rowNumber } from '../../src/query/expression.ts'
import type { TableQuery } from '../../src/query/table-query.ts'
import { describeChanges } from '../../src/query/timeline.ts'
import { entityRow, openQueryStore, type QueryStore } from '../support/query-store.ts'
import type { Rule } from './rule.ts'

const FEB = '2024-02-01T00:00:00+00:00'

/** `a` with two rows, `b`, and the chain `l2` → `l1` → `a` of merged entities. */
function open(): QueryStore {
  const store = openQueryStore()
  store.insert(
    'customer_history',
    entityRow('customer', 'a', 'lead', { plan: 'free', mrr: 1, seats: 5, valid_to: FEB }),
    entityRow('customer', 'a', 'paying', { plan: 'Pro', mrr: null, seats: 5, valid_from: FEB }),
    entityRow('customer', 'b', 'lead', { plan: 'pro', mrr: 3, seats: 2n ** 60n }),
    entityRow('customer', 'l1', 'lead', { merged_into: 'a', valid_to: FEB }),
    entityRow('customer', 'l2', 'lead', { merged_into: 'l1', valid_to: FEB }),
  )
  return store
}
async function ids(query: TableQuery): Promise<string> {
  return (await query.rows())
    .map((row) => row['customer_id'])
    .sort()
    .join(' ')
}
const refused = (sql: string, options = {}): void => {
  assert.throws(() => open().root.query(sql, [], options), { name: 'QueryError' })
}

const change = (stateBefore: string | null, state: string, plan: string | null): Change => {
  const at = instantFromText('2024-01-01') as Instant
  const times = { lastEventTime: at, stateEnteredTime: at, createdTime: at, validFrom: at }
  return {
    cause: { kind: 'rule', rule: 'lead.after[0]' },
    stateBefore,
    lastEventBefore: null,
    snapshot: { entityId: 'a', entityType: 'customer', state, properties: { plan }, relationships: [], ...times },
  }
}

export const rules: Rule[] = [
  {
    id: 'query.as-of-half-open',
    spec: '06 §3',
    off: { file: 'src/query/table-query.ts', find: 'to.gt(instant', replace: 'to.gte(instant' },
    async check() {
      const rows = await open().root.history('customer').asOf(FEB).filter({ customer_id: 'a' }).rows()
      assert.deepEqual(
        rows.map((row) => row['customer_state']),
        ['paying'],
      )
    },
  },
  {
    id: 'query.as-of-history-only',
    spec: '06 §3',
    off: { file: 'src/query/table-query.ts', find: 'if (origin.current)', replace: 'if (false)' },
    check() {
      assert.throws(() => open().root.table('customer').asOf(FEB), /history\(\)/)
    },
  },
  {
    id: 'query.survivors',
    spec: '06 §4',
    off: {
      file: 'src/query/root.ts',
      find: "type, false), col('merged_into').isNull())",
      replace: 'type, false), null)',
    },
    async check() {
      assert.equal(await ids(open().root.history('customer')), 'a a b')
    },
  },
  {
    id: 'query.merge-closure',
    spec: '06 §4',
    off: {
      file: 'src/query/compile.ts',
      find: `join \${chain} on \${loser}.\${into} = \${chain}.id\``,
      replace: `join \${selection} on \${loser}.\${into} = \${selection}.\${id}\``,
    },
    async check() {
      const selection = open().root.history('customer').filter({ customer_id: 'a' })
      assert.equal(await ids(selection.resolveMerges()), 'a a l1 l2')
    },
  },
  {
    id: 'query.merge-once',
    spec: '06 §4',
    off: {
      file: 'src/query/compile.ts',
      find: `from \${selection} union \${rows}\``,
      replace: `from \${selection} union all \${rows}\``,
    },
    async check() {
      assert.equal(await ids(open().root.table('customer').resolveMerges().resolveMerges()), 'a b l1 l2')
    },
  },
  {
    id: 'query.merge-as-of-union',
    spec: '06 §4',
    off: { file: 'src/query/table-query.ts', find: 'const all = filters.reduce', replace: 'const all = [].reduce' },
    async check() {
      const past = open().root.history('customer').asOf('2024-02-02').filter({ customer_id: 'a' })
      assert.equal(await ids(past.resolveMerges()), 'a')
    },
  },
  {
    id: 'query.null-comparison',
    spec: '06 §5.2',
    off: { file: 'src/query/resolve.ts', find: 'if (value === null && !nulls) {', replace: 'if (false) {' },
    check() {
      const table = open().root.table('customer')
      assert.throws(() => table.filter({ mrr: null }), /eq\(null\) is never true; use isNull\(\)/)
    },
  },
  {
    id: 'query.value-types',
    spec: '06 §5.4',
    off: { file: 'src/query/resolve.ts', find: 'if (!fits) throw fail()', replace: '' },
    check() {
      assert.throws(() => open().root.table('customer').filter({ mrr: 'x' }), /needs number/)
    },
  },
  {
    id: 'query.hidden-columns',
    spec: '06 §1',
    off: {
      file: 'src/query/relation.ts',
      find: 'const shown = columns.filter((column) => !column.hidden)',
      replace: 'const shown = columns.filter(() => true)',
    },
    check() {
      assert.ok(!open().root.table('customer').sql().text.includes('_sequence'))
    },
  },
  {
    id: 'query.bound-values',
    spec: '06 §5.3',
    off: {
      file: 'src/query/compile.ts',
      find: 'this.#dialect.value(term.value, term.type)',
      replace: `[\`'\${String(term.value)}'\`]`,
    },
    check() {
      const { text, params } = open().root.table('customer').filter({ plan: 'needle' }).sql()
      assert.ok(!text.includes('needle'))
      assert.deepEqual(params, ['needle'])
    },
  },
  {
    id: 'query.floating-division',
    spec: '06 §5.4',
    off: {
      file: 'src/query/dialect/sqlite.ts',
      find: `(cast(\${a as Fragment} as real) /`,
      replace: `(\${a as Fragment} /`,
    },
    async check() {
      const a = open().root.table('customer').filter({ customer_id: 'a' })
      assert.deepEqual(await a.select({ half: (r) => r['seats']!.div(2) }).rows(), [{ half: 2.5 }])
    },
  },
  {
    id: 'query.nulls-last',
    spec: '06 §5.4',
    off: { file: 'src/query/dialect/sqlite.ts', find: "''} nulls last`", replace: "''}`" },
    async check() {
      const rows = await open().root.table('customer').orderBy('mrr').rows()
      assert.deepEqual(
        rows.map((row) => row['mrr']),
        [3, null],
      )
    },
  },
  {
    id: 'query.like-case',
    spec: '06 §5.4',
    off: {
      file: 'src/query/dialect/sqlite.ts',
      find: `glob \${bound(globOf(`,
      replace: `like \${bound(((s: string) => s)(`,
    },
    async check() {
      assert.equal(
        await ids(
          open()
            .root.table('customer')
            .filter({ plan: { like: 'p%' } }),
        ),
        'b',
      )
    },
  },
  {
    id: 'query.exact-integers',
    spec: '06 §1',
    off: { file: 'src/query/decode.ts', find: 'Number.isSafeInteger(small) ? small : exact', replace: 'small' },
    async check() {
      const [row] = await open().root.table('customer').filter({ customer_id: 'b' }).rows()
      assert.equal(row?.['seats'], 2n ** 60n)
    },
  },
  {
    id: 'query.filter-after-window',
    spec: '06 §5.2',
    off: { file: 'src/query/compile.ts', find: ' || hasFixedColumn(b)', replace: '' },
    async check() {
      const numbered = open()
        .root.history('customer')
        .mutate({ n: rowNumber().over({ orderBy: desc('customer_id') }) })
      const rows = await numbered.filter({ plan: 'free' }).select('n').rows()
      assert.equal(rows.length, 1)
      assert.ok(Number(rows[0]?.n) > 1)
    },
  },
  {
    id: 'query.max-rows',
    spec: '06 §6',
    off: { file: 'src/query/run.ts', find: 'limit: maxRows + 1', replace: 'limit: maxRows' },
    async check() {
      const query = open().root.query('select 1 as x from customer_history', [], { maxRows: 2 })
      await assert.rejects(query.rows(), /maxRows/)
    },
  },
  {
    id: 'query.sql-one-statement',
    spec: '06 §6 rule 1',
    off: {
      file: 'src/query/raw/parser.ts',
      find: "if (this.token.kind === 'end') return query",
      replace: 'return query',
    },
    check() {
      refused('select 1; select 2')
    },
  },
  {
    id: 'query.sql-reads-only',
    spec: '06 §6 rule 1',
    off: { file: 'src/query/raw/read-only.ts', find: "token.kind === 'word' && WRITING.has(word)", replace: 'false' },
    check() {
      refused('with x as (select 1) delete from ledger', { validate: false })
    },
  },
  {
    id: 'query.sql-functions',
    spec: '06 §6 rule 1',
    off: { file: 'src/query/raw/checker.ts', find: 'if (result === undefined) {', replace: 'if (false) {' },
    check() {
      refused("select load_extension('x')")
    },
  },
  {
    id: 'query.sql-tables',
    spec: '06 §6 rule 2',
    off: {
      file: 'src/query/raw/checker.ts',
      find: 'this.#unknownTable(node, [...scope.ctes.keys()], wrongSchema === true)',
      replace: '',
    },
    check() {
      refused('select raw from ledger')
    },
  },
  {
    id: 'query.sql-in-needs-list',
    spec: '06 §6 rule 2',
    off: {
      file: 'src/query/raw/expression-parser.ts',
      find: "if (word === 'in') parts",
      replace: "if (word === 'in' && this.isSymbol('(')) parts",
    },
    check() {
      refused('with ledger as (select 1 as customer_history) select 1 from ledger where 1 in customer_history')
    },
  },
  {
    id: 'query.sql-columns',
    spec: '06 §6 rule 3',
    off: {
      file: 'src/query/raw/checker.ts',
      find: `this.#report(\`no column "\${name.text}"\`, name.at, guess)`,
      replace: '',
    },
    check() {
      refused('select pln from customer_history')
    },
  },
  {
    id: 'query.sql-ambiguous',
    spec: '06 §6 rule 3',
    off: { file: 'src/query/raw/checker.ts', find: 'if (holders.length > 1) {', replace: 'if (false) {' },
    check() {
      assert.throws(() => open().root.query('select plan from customer_history c, order_history o'), /ambiguous/)
    },
  },
  {
    id: 'query.sql-all-problems',
    spec: '06 §6 rule 4',
    off: {
      file: 'src/query/raw/raw-query.ts',
      find: 'problems.push(...result.problems)',
      replace: 'problems.push(...result.problems.slice(0, 1))',
    },
    check() {
      const details = { errors: [{ column: 8 }, { column: 13 }] }
      assert.throws(
        () => open().root.query('select pln, mmr from customer_history'),
        (error: { details: typeof details }) => error.details.errors.map(({ column }) => column).join() === '8,13',
      )
    },
  },
  {
    id: 'query.timeline-effects',
    spec: '06 §8',
    off: { file: 'src/query/timeline.ts', find: '→ (none)', replace: '→ ' },
    check() {
      const properties = { plan: { type: 'string' as const } }
      const customer = { starts: 'lead', identity: {}, properties, states: {} }
      const entries = describeChanges(customer, [change(null, 'lead', 'pro'), change('lead', 'paying', null)])
      assert.deepEqual(
        entries.map((entry) => entry.effects),
        [
          ['Entity created', 'plan: pro'],
          ['State: lead → paying', 'plan: pro → (none)'],
        ],
      )
    },
  },
  {
    id: 'query.assert-entity-merged',
    spec: '06 §8',
    off: { file: 'src/query/assert-entity.ts', find: 'if (merged !== null) fail', replace: 'if (false) fail' },
    async check() {
      await assert.rejects(assertEntity(open().root, 'l1', {}), { name: 'AssertionError', message: /merged into 'a'/ })
    },
  },
]
