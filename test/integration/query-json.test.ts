/** `jsonPath` reads the same values out of JSON text on every database (spec 06 §5.2). */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { col, count, lag, lit, max, sum } from '../../src/query/expression.ts'
import { type AnyQueryStore, BACKENDS } from '../support/query-backends.ts'
import { entityRow } from '../support/query-store.ts'

const DOCUMENT = JSON.stringify({
  name: 'Ada "Countess"',
  'zip code': 'N1',
  'a.b[0]': 'dots',
  '*': 'star',
  é: 'acute',
  empty: '',
  // A text behind a comma, at the end.
  ends: [0, ['x', '']],
  list: [10, { deep: [true, false] }, 'x', null],
  n: { whole: 42, fraction: 2.5, exponent: 1, big: 2 ** 53, no: null, yes: true },
  '0': 'zero',
})
/** Texts that are no JSON, though some readers take them. */
const NO_JSON = [
  '', ' ', 'nul', 'NaN', '[NaN]', '[-Infinity]', '[1,]', '{"a":1,}', '{a:1}', "{'a':1}", '{"a" 1}', '{"a":1}x', '01', '1.',
  '.5', '+1', '1 2', 'true false', '"open', '"tab\there"', '"\\x"', '[1 2]', '{"a":}', '{,}', '[,1]', '@', '#', '[@]', ']', '{]',
  '[[1]', 'tru e', '-', '1e', '/* c */ 1', '"a""b"', 'infinity', '\u00a01',
] // biome-ignore format: a table

for (const backend of BACKENDS)
  backend.describe(`JSON in text on ${backend.name}`, () => {
    let store: AnyQueryStore
    beforeAll(async () => {
      store = await backend.open()
    })
    afterAll(() => store.close())

    async function load(texts: readonly (string | null)[]): Promise<void> {
      await store.clear()
      await store.insert(
        'customer_history',
        ...texts.map((plan, i) => entityRow('customer', `c${String(i).padStart(3, '0')}`, 'lead', { plan, seats: i })),
      )
    }
    const rowsOf = (shape: Record<string, unknown>) =>
      store.root
        .table('customer')
        .orderBy('customer_id')
        .select(shape as never)
        .rows()

    it('values of the kind that is asked for', async () => {
      await load([DOCUMENT])
      const at = (path: string, as?: 'number' | 'integer' | 'boolean') => col('plan').jsonPath(path, as as 'number')
      const [row] = await rowsOf({
        name: at('$.name'),
        zip: at('$."zip code"'),
        dots: at('$."a.b[0]"'),
        star: at('$."*"'),
        acute: at('$.é'),
        empty: at('$.empty'),
        text: at('$.list[2]'),
        deep: at('$.list[1].deep[0]', 'boolean'),
        deeper: at('$.list[1].deep[1]', 'boolean'),
        ten: at('$.list[0]', 'integer'),
        tenth: at('$.list[0]', 'number'),
        whole: at('$.n.whole', 'number'),
        fraction: at('$.n.fraction', 'number'),
        big: at('$.n.big', 'integer'),
        zero: at('$."0"'),
        yes: at('$.n.yes', 'boolean'),
      })
      expect(row).toEqual({
        name: 'Ada "Countess"',
        zip: 'N1',
        dots: 'dots',
        star: 'star',
        acute: 'acute',
        empty: '',
        text: 'x',
        deep: true,
        deeper: false,
        ten: 10,
        tenth: 10,
        whole: 42,
        fraction: 2.5,
        big: 9007199254740992n,
        zero: 'zero',
        yes: true,
      })
      const [none] = await rowsOf({
        a: at('$.nothing'),
        b: at('$.list[9]'),
        c: at('$.list'),
        d: at('$.n'),
        e: at('$.n.whole'),
        f: at('$.n.fraction', 'integer'),
        g: at('$.name', 'number'),
        h: at('$.n.no'),
        i: at('$.n.no', 'boolean'),
        j: at('$.list."0"', 'integer'),
        k: at('$[0]'),
        l: at('$.name.first'),
        m: at('$.n.yes'),
        n: at('$.n.whole', 'boolean'),
      })
      expect(Object.values(none ?? {}).filter((value) => value !== null)).toEqual([])
    })

    it('null of what is no JSON', async () => {
      await load([...NO_JSON, null, '"\\u0000"', '"fine"'])
      const paths = ['$', '$.a', '$[0]']
      const shape = paths.flatMap((path) =>
        (['string', 'number', 'boolean'] as const).map((kind) => [path + kind, col('plan').jsonPath(path, kind)]),
      )
      const rows = await rowsOf(Object.fromEntries(shape))
      const found = rows.map((row) => Object.values(row).filter((value) => value !== null))
      expect(found.map((values, i) => (values.length === 0 ? null : NO_JSON[i]))).toEqual([
        ...rows.slice(1).map(() => null),
        undefined,
      ])
      expect(found.at(-1)).toEqual(['fine'])
    })

    it('numbers beyond their kind are null or the nearest', async () => {
      const table: [text: string, number: number | null, integer: number | bigint | null][] = [
        ['0', 0, 0],
        ['-0', 0, 0],
        ['-7', -7, -7],
        ['1.0', 1, null],
        ['1e3', 1000, null],
        ['-2.5E-2', -0.025, null],
        ['9007199254740993', 9007199254740992, 9007199254740993n],
        ['9223372036854775807', 2 ** 63, 2n ** 63n - 1n],
        ['9223372036854775808', 2 ** 63, 2n ** 63n - 1n],
        ['-9223372036854775809', -(2 ** 63), -(2n ** 63n)],
        ['18446744073709551616', 2 ** 64, 2n ** 63n - 1n],
        ['1e300', 1e300, null],
        ['1e400', null, null],
      ]
      await load(table.map(([text]) => `{"n": ${text}}`))
      const rows = await rowsOf({
        number: col('plan').jsonPath('$.n', 'number'),
        integer: col('plan').jsonPath('$.n', 'integer'),
      })
      expect(rows).toEqual(table.map(([, number, integer]) => ({ number, integer })))
    })

    it('stands wherever an expression can', async () => {
      await load(['{"k":"a","n":1}', '{"k":"b","n":2}', '{"k":"a","n":3}', 'none'])
      const key = col<string>('plan').jsonPath('$.k')
      const n = col<string>('plan').jsonPath('$.n', 'integer')
      const table = store.root.table('customer')
      expect(await table.filter(key.eq('a').and(n.gt(1))).count()).toBe(1)
      const keyed = table.mutate({ key, n }) as unknown as typeof table
      const groups = keyed.groupBy('key').agg({ rows: count(), total: sum('n') })
      expect(await groups.orderBy('key').rows()).toEqual([
        { key: 'a', rows: 2, total: 4 },
        { key: 'b', rows: 1, total: 2 },
        { key: null, rows: 1, total: null },
      ])
      expect(
        await table
          .filter({ plan: { ne: 'none' } })
          .agg({ top: max(n), last: max('plan'), from: max<string>('plan').jsonPath('$.k') })
          .rows(),
      ).toEqual([{ top: 3, last: '{"k":"b","n":2}', from: 'b' }])
      const before = keyed.mutate({ before: lag('plan').over({ orderBy: 'customer_id' }) }) as unknown as typeof table
      expect(
        await before
          .mutate({ x: (r) => r.before!.jsonPath('$.k') })
          .orderBy('customer_id')
          .select('x' as never)
          .rows(),
      ).toEqual([{ x: null }, { x: 'a' }, { x: 'b' }, { x: 'a' }])
      expect(
        await table.select({ x: lit('{"a":"lit"}').jsonPath('$.a'), y: lit('{"a":').jsonPath('$.a') }).first(),
      ).toEqual({
        x: 'lit',
        y: null,
      })
    })

    it('paths and kinds are checked while building', () => {
      const table = store.root.table('customer')
      for (const path of ['name', '', '$name', '$.', '$..a', '$[x]', '$[-1]', '$.*', '$[*]', '$."a', '$.""', '$.a b'])
        expect(() => table.select({ x: col('plan').jsonPath(path) }), path).toThrow(/not a path/)
      expect(() => table.select({ x: col('mrr').jsonPath('$.a') })).toThrow(/jsonPath needs string/)
      expect(() => table.select({ x: col('plan').jsonPath('$.a', 'nubmer' as never) })).toThrow(/did you mean 'number'/)
      expect(() => table.select({ x: lag('plan').over({ orderBy: 'plan' }).jsonPath('$.a') })).toThrow(
        /mutate\(\) first/,
      )
    })

    it('any document gives what JSON.parse gives', async () => {
      const name = fc.stringMatching(/^[a-z]$/)
      const scalar = fc.oneof(
        fc.string({ unit: 'grapheme', maxLength: 6 }).filter((text) => !text.includes('\0')),
        fc.integer(),
        // Long numbers with an exponent beyond 199 are null where a cast of text may fail.
        fc.double({ noNaN: true, noDefaultInfinity: true, min: 1e-99, max: 1e99 }),
        fc.boolean(),
        fc.constant(null),
      )
      const { value } = fc.letrec((tie) => ({
        value: fc.oneof(
          { depthSize: 'small' },
          scalar,
          fc.array(tie('value'), { maxLength: 3 }),
          fc.dictionary(name, tie('value'), { maxKeys: 3 }),
        ),
      }))
      const indent = fc.constantFrom(0, 1, '\t', '\r\n ')
      // A character taken away leaves JSON or not: the reader of JSON says.
      const document = fc.tuple(value, indent, fc.option(fc.nat(40), { freq: 3 })).map(([json, space, cut]) => {
        const written = JSON.stringify(json, null, space as number)
        return cut === null ? written : written.slice(0, cut) + written.slice(cut + 1)
      })
      const steps = fc.array(fc.oneof(name, fc.nat(2)), { maxLength: 3 })
      await fc.assert(
        fc.asyncProperty(
          fc.array(document, { minLength: 60, maxLength: 120 }),
          fc.array(steps, { maxLength: 9 }),
          async (all, paths) => {
            const texts = all.filter((text) => !/\\u(0000|d[89a-f])|[\0\ud800-\udfff]/iu.test(text))
            await load(texts)
            for (const path of [[], ...paths]) {
              const written = `$${path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('')}`
              const rows = await rowsOf({
                string: col('plan').jsonPath(written),
                number: col('plan').jsonPath(written, 'number'),
                boolean: col('plan').jsonPath(written, 'boolean'),
              })
              const expected = texts.map((text) => {
                const found = read(text, path)
                const only = (kind: string): unknown => (typeof found === kind ? found : null)
                return { string: only('string'), number: only('number'), boolean: only('boolean') }
              })
              expect(rows).toEqual(expected)
            }
          },
        ),
        { numRuns: 12 },
      )
    })
  })

function read(text: string, path: readonly (string | number)[]): unknown {
  let at: unknown
  try {
    at = JSON.parse(text)
  } catch {
    return null
  }
  for (const step of path) {
    if (typeof at !== 'object' || at === null || Array.isArray(at) !== (typeof step === 'number')) return null
    at = (at as Record<string, unknown>)[step]
  }
  return Object.is(at, -0) ? 0 : at
}
