/** A case spoils the clean set and names the one finding that must follow (spec 01 §5). */
import assert from 'node:assert/strict'
import { fromObject } from '../../src/core/definition/load.ts'
import { type ValidateOptions, validate } from '../../src/core/definition/validate.ts'
import { cleanSchemas, cleanSet, put } from './clean-definitions.ts'

export interface DefinitionCase {
  code: string
  /** Paths of the clean set and what is put there; undefined takes the key away. */
  change: Record<string, unknown>
  /** Where the finding is. */
  path: string
  /** Words of its message. */
  says: string
  /** Other errors that come with it. */
  with?: string[]
  options?: ValidateOptions
}

export const item = 'entities.item'
export const made = `${item}.states.new.when.made`
export const effect = `${made}.effects[1]`
export const rule = `${item}.states.on.after[0]`
export const web = 'sources.web'
export const event = `${web}.events.made`
export const resized = `${web}.events.resized`
/** Puts schemas in that fit. */
export const schemas = { schemas: cleanSchemas() }

export const c = (
  code: string,
  change: Record<string, unknown>,
  path: string,
  says: string,
  more: Pick<DefinitionCase, 'with' | 'options'> = {},
): DefinitionCase => ({ code, change, path, says, ...more })

/** One change, found where it is made. */
export const at = (
  code: string,
  path: string,
  value: unknown,
  says: string,
  more: Pick<DefinitionCase, 'with' | 'options'> = {},
): DefinitionCase => c(code, { [path]: value }, path, says, more)

/** The clean set with the case's changes. */
export function spoiled({ change }: DefinitionCase): Record<string, unknown> {
  const set = cleanSet()
  for (const [path, value] of Object.entries(change)) put(set, path, structuredClone(value))
  return set
}

/** Asserts that the case gives its finding, and no other errors than it says. */
export function checkCase(one: DefinitionCase): void {
  const { issues } = validate(fromObject(spoiled(one)), one.options)
  const shown = issues.map((issue) => `${issue.code} ${issue.path}: ${issue.message}`).join('\n')
  const found = issues.some((i) => i.code === one.code && i.path === one.path && i.message.includes(one.says))
  assert.ok(found, `expected ${one.code} ${one.path}: …${one.says}…, got\n${shown}`)
  const errors = new Set(issues.filter((issue) => issue.severity === 'error').map((issue) => issue.code))
  const expected = new Set([...(/^(E|P\d)/.test(one.code) ? [one.code] : []), ...(one.with ?? [])])
  assert.deepEqual([...errors].sort(), [...expected].sort(), shown)
}
