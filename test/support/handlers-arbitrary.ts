/** Random handlers, effects and time rules over the properties and fields of `world-arbitrary.ts`. */
import fc from 'fast-check'

const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined })

const CONDITIONS = [
  'event.num > 1',
  'event.num != entity.n',
  'entity.n >= 2 and event.flg',
  'not event.flg',
  "event.txt == entity.s or event.txt == 'ada'",
  "entity.state == 's1'",
  'days_since(entity.t) < 9',
  'event.timestamp > entity.t',
  'event.timestamp - entity.created_time > 3d',
  'event.txt',
]
const RULE_CONDITIONS = [
  'entity.n > 1',
  'entity.x == null',
  'entity.flag',
  'days_since(entity.created_time) >= 4',
  'entity.s',
]

const VALUES: Record<string, { from: string[]; value: unknown[]; compute: string[] }> = {
  n: {
    from: ['event.num', 'event.txt', 'event.double'],
    value: [1, 5, null],
    compute: [
      'event.num + 1',
      'coalesce(entity.n, 0) + coalesce(event.num, 0)',
      '6 / event.num',
      'len(event.txt)',
      'if event.flg then 1 else entity.n * 2',
    ],
  },
  x: {
    from: ['event.num', 'entity.n', 'event.missing'],
    value: [0, 2.25, null],
    compute: ['event.num / 2.0', 'entity.x * 1.5', 'days_since(entity.t) + 0.5', 'event.num ** 2'],
  },
  s: {
    from: ['event.txt', 'event.num', 'event.when'],
    value: ['bob', null],
    compute: [
      "coalesce(event.txt, 'bob')",
      'to_string(event.num)',
      'str::to_lowercase(event.txt)',
      'event.event_type',
      'entity.state',
    ],
  },
  flag: {
    from: ['event.flg', 'event.num'],
    value: [true, null],
    compute: ['event.num > 3', 'not entity.flag', 'event.txt == entity.s'],
  },
  t: {
    from: ['event.when', 'event.timestamp'],
    value: ['2024-01-09', null],
    compute: [
      'event.timestamp - 36h',
      'event.when + 2d',
      'max(entity.t, event.timestamp)',
      'entity.created_time',
      'now()',
      'event.num',
    ],
  },
}

/** Values that a time rule may compute: no event exists while it runs. */
const RULE_VALUES: [string, string][] = [
  ['n', 'entity.n + 1'],
  ['n', '4 / entity.n'],
  ['x', 'entity.x * 1.5'],
  ['t', 'now()'],
  ['s', 'entity.state'],
  ['x', 'coalesce(event.num, 3)'],
]

const condition = maybe(fc.constantFrom(...CONDITIONS))

const set = fc.constantFrom(...Object.keys(VALUES)).chain((property) => {
  const { from, value, compute } = VALUES[property] as { from: string[]; value: unknown[]; compute: string[] }
  const source = fc.oneof(
    fc.constantFrom(...from).map((path) => ({ from: path })),
    fc.constantFrom(...value).map((literal) => ({ value: literal })),
    fc.constantFrom(...compute).map((text) => ({ compute: text })),
  )
  return fc.tuple(source, condition).map(([body, when]) => ({ set: { property, ...body, condition: when } }))
})

const increment = fc
  .tuple(fc.constantFrom(['n', 1], ['n', -2], ['n', undefined], ['x', 0.5], ['x', 10]), condition)
  .map(([[property, by], when]) => ({ increment: { property, by, condition: when } }))

const transition = (states: string[], when: fc.Arbitrary<string | undefined>): fc.Arbitrary<unknown> =>
  fc.tuple(fc.constantFrom(...states), when).map(([to, text]) => ({ transition: { to, condition: text } }))

export function handlersArbitrary(states: string[]): {
  effects: fc.Arbitrary<unknown[]>
  handler: fc.Arbitrary<{ guard?: string; effects: unknown[] }>
} {
  const effect: fc.Arbitrary<unknown> = fc.oneof(
    { weight: 4, arbitrary: set },
    { weight: 2, arbitrary: increment },
    { weight: 2, arbitrary: transition(states, condition) },
  )
  return {
    effects: fc.array(effect, { maxLength: 3 }),
    handler: fc
      .record({ guard: condition, effects: fc.array(effect, { minLength: 1, maxLength: 4 }) })
      .map(({ guard, effects }) => (guard === undefined ? { effects } : { guard, effects })),
  }
}

export function timeRulesArbitrary(states: string[]): fc.Arbitrary<unknown> {
  const when = maybe(fc.constantFrom(...RULE_CONDITIONS))
  const ruleSet = fc
    .tuple(fc.constantFrom(...RULE_VALUES), when)
    .map(([[property, compute], text]) => ({ set: { property, compute, condition: text } }))
  const ruleIncrement = fc.constantFrom({ increment: { property: 'n' } }, { increment: { property: 'x', by: 20 } })
  // Expirations lead only to the last state: a cycle of them would fire for ever at one instant (W12).
  return fc.constantFrom('inactivity', 'expiration', 'state_duration').chain((type) => {
    const targets = type === 'expiration' ? states.slice(-1) : states
    return fc.record({
      type: fc.constant(type),
      threshold: fc.constantFrom('30h', '2d', '72h', '6d', '10d', '20d'),
      effects: fc.array(fc.oneof(ruleSet, ruleIncrement, transition(targets, when), transition(targets, when)), {
        minLength: 1,
        maxLength: 3,
      }),
    })
  })
}
