import { describe, expect, test } from 'vitest'
import { fromObject } from '../../src/core/definition/load.ts'
import { validate } from '../../src/core/definition/validate.ts'
import { cleanSchemas, cleanSet } from '../support/clean-definitions.ts'
import { checkCase } from '../support/definition-case.ts'
import { CASES } from '../support/definition-cases.ts'
import { cleanPipeline } from '../support/definition-cases-pipeline.ts'

describe('the clean set', () => {
  test('has no findings', () => {
    expect(validate(fromObject(cleanSet())).issues).toEqual([])
  })
  test('has none with schemas that fit', () => {
    expect(validate(fromObject({ ...cleanSet(), schemas: cleanSchemas() })).issues).toEqual([])
  })
  test('has none with a pipeline that fits', () => {
    expect(validate(fromObject({ ...cleanSet(), pipelines: { nightly: cleanPipeline() } })).issues).toEqual([])
  })
})

describe('spec 01 §5', () => {
  test.each(CASES.map((one, i) => [`${one.code} #${i} ${Object.keys(one.change).join(', ')}`, one] as const))(
    '%s',
    (_, one) => {
      checkCase(one)
    },
  )
})
