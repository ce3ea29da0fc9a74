/** A small definition set without any error or warning, to be spoiled in one place at a time. */
import { parsePath } from '../../src/core/definition/path.ts'

const CLEAN = {
  entities: {
    item: {
      starts: 'new',
      identity: { key: { match: 'case_insensitive', normalize: 'str::trim(value)' } },
      properties: {
        name: { type: 'string', default: 'none' },
        size: { type: 'number', default: 0, min: 0, max: 100 },
        count: { type: 'integer', allowed: [0, 1, 2] },
        open: { type: 'boolean', default: false },
        seen: { type: 'datetime', default: '2024-01-01T00:00:00Z' },
        twice: { type: 'number', compute: 'entity.size * 2 + coalesce(entity.count, 0)' },
      },
      states: {
        new: {
          when: {
            made: {
              effects: [
                'create',
                { set: { property: 'name', from: 'event.name' } },
                {
                  relate: {
                    type: 'owned_by',
                    target: 'owner',
                    hints: { owner: ['code'] },
                    properties: { since: { from: 'event.timestamp' } },
                  },
                },
                { transition: { to: 'on' } },
              ],
            },
          },
        },
        on: {
          when: {
            resized: {
              guard: "event.size != entity.size and entity.name != 'x'",
              effects: [{ set: { property: 'size', from: 'event.size', condition: 'not entity.open' } }],
            },
          },
          after: [{ type: 'inactivity', threshold: '30d', effects: [{ transition: { to: 'off' } }] }],
        },
        off: { when: { resized: { effects: [{ transition: { to: 'on' } }] } } },
      },
      relationships: [
        {
          type: 'owned_by',
          target: 'owner',
          cardinality: 'belongs_to',
          properties: { since: { type: 'datetime' }, share: { type: 'number', default: 1 } },
        },
      ],
      always: { closed: { effects: [{ set: { property: 'open', value: false } }, { transition: { to: 'off' } }] } },
    },
    owner: {
      starts: 'known',
      identity: { code: {} },
      states: { known: { when: { made: { effects: ['create'] } } } },
      relationships: [{ type: 'owns', target: 'item', cardinality: 'has_many' }],
    },
  },
  sources: {
    web: {
      event_type: 'kind',
      timestamp: 'at',
      events: {
        made: {
          mappings: {
            key: { from: 'id' },
            name: { from: 'name', type: 'string' },
            code: { compute: 'event.owner.code' },
          },
          hints: { item: ['key'], owner: ['code'] },
        },
        resized: {
          raw_type: 'item.resized',
          event_id: ['key', 'at'],
          mappings: { key: { from: 'id' }, size: { from: 'n', type: 'number', default: '0' } },
          hints: { item: ['key'] },
        },
        closed: { mappings: { key: { from: 'id' } }, hints: { item: ['key'] } },
      },
    },
  },
}

/** Schemas that fit the clean set. */
const SCHEMAS = {
  made: {
    fields: {
      key: { type: 'string', required: true, min_length: 1, regex: '^[a-z]+$' },
      name: { type: 'string', allowed: ['a', 'b'] },
      code: { type: 'string' },
    },
  },
  resized: { fields: { key: { type: 'string' }, size: { type: 'number', min: 0, max: 10 } } },
  closed: { fields: { key: { type: 'string', required: true } } },
}

export type Loose = { [key: string]: unknown }

/** A fresh copy. */
export function cleanSet(): Loose {
  return structuredClone(CLEAN)
}
export function cleanSchemas(): Loose {
  return structuredClone(SCHEMAS)
}

/** Sets the value at a path (`entities.item.starts`, `….after[0].threshold`); undefined takes the key away. */
export function put(set: object, path: string, value: unknown): void {
  const steps = [...(parsePath(path) ?? [])]
  const last = steps.pop()
  let at = set as Record<string | number, unknown>
  for (const step of steps) at = at[step] as Record<string | number, unknown>
  if (last === undefined) throw new Error(`no path: ${path}`)
  if (value === undefined) delete at[last]
  else Object.defineProperty(at, last, { value, enumerable: true, writable: true, configurable: true })
}
