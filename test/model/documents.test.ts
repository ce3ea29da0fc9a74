/** `docs/protocol/README.md` names what there is: actions, functions, switches. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { SWITCHES } from './switches.ts'
import { table, tlaActions } from './texts.ts'

const ROOT = join(import.meta.dirname, '..', '..')

describe('protocol document', () => {
  const actions = table('Actions and code')

  test('has a row for each action', () => {
    expect(actions.map(([name]) => name).sort()).toEqual([...tlaActions()].sort())
  })

  for (const [action = '', , where = ''] of actions) {
    test(`${action}: ${where} exists`, () => {
      if (/^(not yet implemented|the environment)/.test(where)) return
      const places = where.split(', ')
      for (const place of places) {
        const [file = '', name = ''] = place.split('#')
        expect(existsSync(join(ROOT, file)), file).toBe(true)
        // A function, or a method of a class.
        const defined = new RegExp(`function\\*? ${name}\\b|^  (async )?[*#]*${name}(<[^>]*>)?\\(`, 'm')
        expect(defined.test(readFileSync(join(ROOT, file), 'utf8')), place).toBe(true)
      }
      expect(places.length).toBeGreaterThan(0)
    })
  }

  test('has a row for each switch, with the claims that notice it', () => {
    const rows = table('Switches').map(([name, mistake, noticedBy]) => [name, mistake, noticedBy])
    const switches = Object.entries(SWITCHES).map(([name, { mistake, noticedBy }]) => [
      name,
      mistake,
      noticedBy.join(', '),
    ])
    expect(rows).toEqual(switches)
  })
})
