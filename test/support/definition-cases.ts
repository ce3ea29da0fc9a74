/** All cases, for the unit test and for the rules. */
import type { DefinitionCase } from './definition-case.ts'
import { ENTITY_CASES } from './definition-cases-entity.ts'
import { PIPELINE_CASES } from './definition-cases-pipeline.ts'
import { SHAPE_CASES } from './definition-cases-shape.ts'
import { SOURCE_CASES } from './definition-cases-source.ts'

export const CASES: readonly DefinitionCase[] = [...SHAPE_CASES, ...ENTITY_CASES, ...SOURCE_CASES, ...PIPELINE_CASES]
