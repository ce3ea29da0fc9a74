import { expect, test } from 'vitest'
import { joined, openPeople, people } from '../support/people.ts'

const wrong: [string, object][] = [
  ['an unknown option', { batchsize: 5 }],
  ['an option in two spellings', { batchSize: 5, batch_size: 6 }],
  ['a text for a flag', { catchUp: 'yes' }],
  ['a number for the clock', { clock: 5 }],
  ['a logger without methods', { logger: {} }],
  ['a dead letter path without its type', { deadLetter: 'letters.jsonl' }],
  ['no dead letter sink at all', { deadLetter: null }],
  ['half a dead letter sink', { deadLetter: { send: async () => undefined } }],
  ['a dead letter sink that is not offered', { deadLetter: { type: 'table' } }],
  ['a URL of another database', { database: 'mysql://somewhere/db' }],
  ['a batch of no records', { batchSize: 0 }],
]

test.each(wrong)('%s is a configuration error', async (_title, options) => {
  await expect(openPeople(people(), options as never)).rejects.toMatchObject({ name: 'ConfigError' })
})

test('documented spellings are accepted', async () => {
  const options = { batch_size: 5, catch_up: false, schema_validation: 'warn', database: ':memory:' }
  await using engine = await openPeople(people(), options as never)
  expect(await engine.ingest('web', [joined('M1', 1)], { process: true })).toMatchObject({ eventsIngested: 1 })
})
