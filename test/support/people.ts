/** A small world for tests of single rules: people with a mail address and a card, a counter, and a time rule. */
import { Defacto, type DefactoOptions } from '../../src/index.ts'

export interface PeopleOptions {
  /** Identity rules of the mail address. */
  mail?: object
  /** Mapping of the mail address, beside `from`. */
  mailMapping?: object
  /** Further properties. */
  properties?: object
  /** Effects of the time rule before its transition. */
  rule?: object[]
}

export function people(options: PeopleOptions = {}): object {
  const mail = { from: 'mail', ...options.mailMapping }
  return {
    entities: {
      person: {
        starts: 'new',
        identity: { mail: options.mail ?? {}, card: {} },
        properties: {
          n: { type: 'integer', default: 0, max: 5 },
          plan: { type: 'string' },
          ...options.properties,
        },
        states: {
          new: { when: { joined: { effects: ['create', { transition: { to: 'on' } }] } } },
          on: {
            when: {
              used: { effects: [{ increment: { property: 'n' } }] },
              upgraded: { effects: [{ set: { property: 'plan', from: 'event.plan' } }] },
            },
            after: [
              {
                type: 'inactivity',
                threshold: '30d',
                effects: [...(options.rule ?? []), { transition: { to: 'idle' } }],
              },
            ],
          },
          idle: { when: { used: { effects: [{ transition: { to: 'on' } }] } } },
        },
      },
    },
    sources: {
      web: {
        event_type: 'kind',
        timestamp: 'at',
        events: {
          joined: { mappings: { mail, card: { from: 'card' } }, hints: { person: ['mail', 'card'] } },
          used: { event_id: ['no'], mappings: { mail, no: { from: 'no' } }, hints: { person: ['mail'] } },
          upgraded: {
            event_id: ['no'],
            mappings: { mail, no: { from: 'no' }, plan: { from: 'plan' } },
            hints: { person: ['mail'] },
          },
        },
      },
    },
  }
}

/** Midnight of a day counted from 2024-01-01. */
export const day = (n: number): string => new Date(Date.UTC(2024, 0, n)).toISOString()
export const joined = (mail: string, n: number, more: object = {}): object => ({
  kind: 'joined',
  mail,
  at: day(n),
  ...more,
})
export const used = (mail: string, n: number, no: number): object => ({ kind: 'used', mail, at: day(n), no })

export interface Line {
  level: string
  message: string
  fields: Record<string, unknown>
}

/** An engine whose clock shows 2024-01-20 and whose log lines go to `lines`. */
export function openPeople(definitions: object, options: DefactoOptions = {}, lines: Line[] = []): Promise<Defacto> {
  const at =
    (level: string) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void =>
      void lines.push({ level, message, fields })
  return Defacto.fromConfig(definitions, {
    clock: () => new Date(day(20)),
    logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') },
    ...options,
  })
}

/** Current rows by id: state and counter. */
export async function standing(engine: Defacto): Promise<Record<string, string>> {
  const rows = await engine.table('person').rows()
  return Object.fromEntries(
    rows.map((row) => [String(row['person_id']), `${row['person_state']} ${row['n']}`] as const).sort(),
  )
}
