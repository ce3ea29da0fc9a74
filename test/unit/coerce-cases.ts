/** Every cell of the table of spec 03 §3.1, and every row of §5. */
import { Duration } from '../../src/core/instant.ts'
import { Float, type Value } from '../../src/core/value.ts'
import { at } from './expression-kit.ts'

export type Case = readonly [value: Value, outcome: string]

const time = at('2024-01-15T10:00:00Z')
const TIME = 'DateTime 2024-01-15T10:00:00+00:00'
const hour = new Duration(3_600_000)

const never = (...values: Value[]): Case[] => values.map((value) => [value, 'fails'])
const stays: readonly Case[] = [[null, 'Null']]

/** By `<kind of the value>.<type>`. */
export const COERCIONS: Readonly<Record<string, readonly Case[]>> = {
  'String.string': [
    ['', 'String '],
    [' a ', 'String  a '],
  ],
  'String.number': [
    ['5', 'Float 5'],
    ['-2.5', 'Float -2.5'],
    ['+1e3', 'Float 1000'],
    ['.5', 'Float 0.5'],
    ['1E-2', 'Float 0.01'],
    ...never('', 'abc', 'nan', 'NaN', 'inf', 'Infinity', ' 1', '1 ', '1_000', '0x10', '1e999', '1,5', '--1', '.'),
  ],
  'String.integer': [
    ['+7', 'Int 7'],
    ['-007', 'Int -7'],
    ['9223372036854775807', 'Int 9223372036854775807'],
    ['-9223372036854775808', 'Int -9223372036854775808'],
    ...never('42.0', '1e3', ' 42', '', '+', '9223372036854775808', '9'.repeat(50), '٣'),
  ],
  'String.boolean': [
    ['true', 'true'],
    ['YES', 'true'],
    ['1', 'true'],
    ['False', 'false'],
    ['no', 'false'],
    ['0', 'false'],
    ...never('', 'y', 'on', '2', ' true', '1.0'),
  ],
  'String.datetime': [
    ['2024-01-15T10:00:00Z', TIME],
    ['2024-01-15T11:00+01', TIME],
    ['1705312800', TIME],
    ['1705312800000', TIME],
    ...never('', 'soon', '2024-02-30', '12345678', '20240115'),
  ],
  'Int.string': [
    [42, 'String 42'],
    [-7, 'String -7'],
    [9007199254740993n, 'String 9007199254740993'],
  ],
  'Int.number': [
    [5, 'Float 5'],
    [9007199254740992n, 'Float 9007199254740992'],
    [9007199254740993n, 'fails'],
  ],
  'Int.integer': [
    [5, 'Int 5'],
    [9007199254740993n, 'Int 9007199254740993'],
  ],
  'Int.boolean': [
    [0, 'false'],
    [1, 'true'],
    [-5, 'true'],
    [9007199254740993n, 'true'],
  ],
  'Int.datetime': [
    [1705312800, TIME],
    [1705312800000, TIME],
    [1705312800000000000n, TIME],
    [9223372036854775807n, 'DateTime 2262-04-11T23:47:16.854775+00:00'],
  ],
  'Float.string': [
    [2.5, 'String 2.5'],
    [new Float(5), 'String 5'],
    [1e21, 'String 1000000000000000000000'],
    [1.5e-7, 'String 0.00000015'],
  ],
  'Float.number': [
    [2.5, 'Float 2.5'],
    [new Float(5), 'Float 5'],
  ],
  'Float.integer': [
    [5.9, 'Int 5'],
    [-5.9, 'Int -5'],
    [new Float(5), 'Int 5'],
    [9007199254740992, 'Int 9007199254740992'],
    ...never(1e19, -1e300),
  ],
  'Float.boolean': never(0.5, new Float(1), new Float(0)),
  'Float.datetime': [
    [1705312800.5, 'DateTime 2024-01-15T10:00:00.500+00:00'],
    [new Float(1705312800), TIME],
    ...never(1e300),
  ],
  'Bool.string': [
    [true, 'String true'],
    [false, 'String false'],
  ],
  'Bool.number': never(true, false),
  'Bool.integer': never(true, false),
  'Bool.boolean': [
    [true, 'true'],
    [false, 'false'],
  ],
  'Bool.datetime': never(true, false),
  'DateTime.string': [[time, 'String 2024-01-15T10:00:00+00:00']],
  'DateTime.number': never(time),
  'DateTime.integer': never(time),
  'DateTime.boolean': never(time),
  'DateTime.datetime': [[time, TIME]],
  'Duration.string': never(hour),
  'Duration.number': never(hour),
  'Duration.integer': never(hour),
  'Duration.boolean': never(hour),
  'Duration.datetime': never(hour),
  'Array.string': never([], ['a']),
  'Array.number': never([], [1]),
  'Array.integer': never([], [1]),
  'Array.boolean': never([], [true]),
  'Array.datetime': never([], [time]),
  'Object.string': never({}, { a: 'a' }),
  'Object.number': never({}, { value: 1 }),
  'Object.integer': never({}, { value: 1 }),
  'Object.boolean': never({}),
  'Object.datetime': never({}, { epochNanoseconds: 1n as Value }),
  'Null.string': stays,
  'Null.number': stays,
  'Null.integer': stays,
  'Null.boolean': stays,
  'Null.datetime': stays,
}

/** By type of the property. */
export const CONFORMING: Readonly<Record<string, readonly Case[]>> = {
  string: [
    ...stays,
    ['', 'String '],
    [5, 'String 5'],
    [new Float(5), 'String 5'],
    [true, 'String true'],
    [time, 'String 2024-01-15T10:00:00+00:00'],
    ...never(hour, ['a'], { a: 1 }),
  ],
  number: [
    ...stays,
    [5, 'Float 5'],
    [2.5, 'Float 2.5'],
    ['1e3', 'Float 1000'],
    ...never('', 'x', true, time, hour, [1]),
  ],
  integer: [
    ...stays,
    [5, 'Int 5'],
    [new Float(5), 'Int 5'],
    [9007199254740992, 'Int 9007199254740992'],
    ['-7', 'Int -7'],
    ...never(5.9, -0.1, 1e19, '5.9', '5.0', true, time, [1]),
  ],
  boolean: [
    ...stays,
    [true, 'true'],
    [1, 'true'],
    [0, 'false'],
    ['Yes', 'true'],
    ['FALSE', 'false'],
    ...never(2, -1, 9007199254740993n, new Float(1), 0.5, 'x', '', time),
  ],
  datetime: [
    ...stays,
    [time, TIME],
    ['2024-01-15T10:00:00Z', TIME],
    [1705312800, TIME],
    ['1705312800', TIME],
    ...never('soon', '', true, hour, []),
  ],
}
