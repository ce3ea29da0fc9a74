import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AlertSignal } from '../../src/orchestration/alerts/events.ts'
import { alertsFor, NOWHERE, storedAlert } from '../../src/orchestration/alerts/rules.ts'
import { signatureOf } from '../../src/orchestration/alerts/senders.ts'
import type { AlertRule, Pipeline } from '../../src/orchestration/model.ts'
import { readPipeline } from '../../src/orchestration/pipeline/read.ts'
import type { NewNotification, Notification } from '../../src/ports/runs.ts'

const HOUR = 3_600_000
const START = Date.parse('2024-01-01T00:00:00Z')
const at = (ms: number): string => new Date(START + ms).toISOString().replace('Z', '+00:00')

function pipeline(...alerts: Partial<AlertRule>[]): Pipeline {
  const base = readPipeline('nightly', { steps: ['build'] })
  const rule: AlertRule = {
    on: ['failure', 'recovered', 'check', 'freshness', 'retrying'],
    to: { kind: 'file', path: 'alerts.ndjson' },
    minSeverity: 'warn',
    repeatMs: 6 * HOUR,
  }
  return { ...base, alerts: alerts.map((alert) => ({ ...rule, ...alert })) }
}

function signal(more: Partial<AlertSignal> = {}): AlertSignal {
  return {
    event: 'failure',
    severity: 'error',
    subject: 'pipeline/nightly',
    at: at(0),
    occurrence: 'r_018cc251-f400-7000-8000-000000000001',
    data: { code: 'E_STORAGE' },
    ...more,
  }
}

/** What a store keeps, newest first. */
class Outbox {
  rows: Notification[] = []
  take(made: readonly NewNotification[]): void {
    for (const row of made) {
      if (this.rows.some(({ id }) => id === row.id)) continue
      const stored = { status: 'sent', attempts: 1, createdAt: row.availableAt, leaseToken: null } as const
      this.rows.unshift({ ...row, ...stored })
    }
  }
}

describe('alerts', () => {
  it('of a failure are sent once to every rule that wants it', () => {
    const [made, ...more] = alertsFor(pipeline({}, { on: ['check'] }), signal())
    expect(more).toEqual([])
    expect(made).toMatchObject({
      kind: 'alert',
      subject: 'pipeline/nightly',
      target: { kind: 'file', path: 'alerts.ndjson' },
      availableAt: at(0),
      payload: { event: 'failure', severity: 'error', pipeline: 'nightly', after: null, data: { code: 'E_STORAGE' } },
    })
    expect(made?.id).toMatch(/^n_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/)
  })

  it('have the same id when made again, another one for another occurrence', () => {
    const once = alertsFor(pipeline({}), signal())[0]?.id
    expect(alertsFor(pipeline({}), signal({ at: at(5) }))[0]?.id).toBe(once)
    expect(alertsFor(pipeline({}), signal({ occurrence: at(1) }))[0]?.id).not.toBe(once)
  })

  it('below the severity of a rule are not sent', () => {
    expect(alertsFor(pipeline({ minSeverity: 'error' }), signal({ event: 'check', severity: 'warn' }))).toEqual([])
    expect(alertsFor(pipeline({ minSeverity: 'error' }), signal({ event: 'check' }))).toHaveLength(1)
  })

  it('are repeated after `repeat`, and at once when it gets worse', () => {
    const rules = pipeline({})
    const outbox = new Outbox()
    outbox.take(alertsFor(rules, signal({ event: 'freshness', severity: 'warn' })))
    expect(
      alertsFor(rules, signal({ event: 'freshness', severity: 'warn', at: at(6 * HOUR - 1) }), outbox.rows),
    ).toEqual([])
    outbox.take(alertsFor(rules, signal({ event: 'freshness', severity: 'error', at: at(HOUR) }), outbox.rows))
    expect(outbox.rows).toHaveLength(2)
    expect(alertsFor(rules, signal({ event: 'freshness', severity: 'warn', at: at(2 * HOUR) }), outbox.rows)).toEqual(
      [],
    )
    outbox.take(alertsFor(rules, signal({ event: 'freshness', at: at(7 * HOUR) }), outbox.rows))
    expect(outbox.rows).toHaveLength(3)
  })

  it('are closed silently by a rule that does not send `recovered`', () => {
    const rules = pipeline({ on: ['failure'] })
    const outbox = new Outbox()
    expect(alertsFor(rules, signal({ event: 'recovered' }), outbox.rows)).toEqual([])
    outbox.take(alertsFor(rules, signal()))
    outbox.take(alertsFor(rules, signal({ event: 'recovered', at: at(1) }), outbox.rows))
    expect(outbox.rows[0]).toMatchObject({ target: { kind: NOWHERE } })
    expect(alertsFor(rules, signal({ at: at(2), occurrence: at(2) }), outbox.rows)).toHaveLength(1)
  })

  it('follow each other even where all happens within one instant', () => {
    const rules = pipeline({})
    const outbox = new Outbox()
    for (const event of ['failure', 'recovered', 'failure', 'failure', 'recovered', 'recovered'] as const) {
      outbox.take(
        alertsFor(rules, signal({ event, occurrence: `r_${outbox.rows.length}` }), outbox.rows.toSorted(byId)),
      )
    }
    expect(outbox.rows.toReversed().map((row) => storedAlert(row)?.event)).toEqual([
      'failure',
      'recovered',
      'failure',
      'recovered',
    ])
  })

  it('of a rule and a subject are open one at a time, whatever happens and whoever looks twice', () => {
    const step = fc.record({
      event: fc.constantFrom<AlertSignal['event']>('failure', 'recovered', 'freshness', 'retrying'),
      severity: fc.constantFrom('warn' as const, 'error' as const),
      subject: fc.constantFrom('pipeline/a', 'pipeline/b'),
      wait: fc.integer({ min: 0, max: 8 * HOUR }),
      lookers: fc.integer({ min: 1, max: 3 }),
    })
    const rule = fc.record({
      on: fc.subarray(['failure', 'recovered', 'freshness', 'retrying'] as const, { minLength: 1 }),
      minSeverity: fc.constantFrom('warn' as const, 'error' as const),
      repeatMs: fc.integer({ min: 0, max: 12 * HOUR }),
    })
    fc.assert(
      fc.property(fc.array(rule, { minLength: 1, maxLength: 3 }), fc.array(step, { maxLength: 30 }), (rules, steps) => {
        const defined = pipeline(...rules.map((each, i) => ({ ...each, to: { kind: 'file', path: `${i}` } as const })))
        const outbox = new Outbox()
        let now = 0
        steps.forEach(({ wait, lookers, ...more }, n) => {
          now += wait
          const before = [...outbox.rows]
          const of = before.filter(({ subject }) => subject === more.subject)
          const seen = signal({ ...more, at: at(now), occurrence: at(n) })
          // Several that look at once see the same rows and make the same ones.
          for (let i = 0; i < lookers; i++) outbox.take(alertsFor(defined, seen, of))
          expect(outbox.rows.length - before.length).toBeLessThanOrEqual(defined.alerts.length)
        })
        const alerts = outbox.rows.toReversed().flatMap((row) => {
          const alert = storedAlert(row)
          return alert === null ? [] : [{ ...alert, target: row.target as { kind: string; path?: string } }]
        })
        for (const ours of Map.groupBy(alerts, ({ rule, subject }) => `${rule} ${subject}`).values()) {
          const { repeatMs, minSeverity, on } = defined.alerts[Number(ours[0]?.target.path)] as AlertRule
          ours.forEach((alert, n) => {
            const last = ours[n - 1]
            if (alert.event === 'recovered') {
              expect(last !== undefined && last.event !== 'recovered').toBe(true)
              expect(alert.target.kind === NOWHERE).toBe(!on.includes('recovered'))
              return
            }
            expect(on).toContain(alert.event)
            if (minSeverity === 'error') expect(alert.severity).toBe('error')
            if (last === undefined || last.event === 'recovered') return
            const worse = last.severity === 'warn' && alert.severity === 'error'
            expect(worse || Date.parse(alert.at) - Date.parse(last.at) >= repeatMs).toBe(true)
          })
        }
      }),
      { numRuns: 300 },
    )
  })

  it('are signed over timestamp and body', () => {
    // As `printf '1.{}' | openssl dgst -sha256 -hmac key` says.
    const known = 'sha256=1ba6b8171186efc613e8bcc0cbdab2748f24984d7c5a84faa2637afa0e40d224'
    expect(signatureOf('key', '1', '{}')).toBe(known)
    expect(signatureOf('key', '1', '{}')).not.toBe(signatureOf('key', '2', '{}'))
    expect(signatureOf('key', '1', '{}')).not.toBe(signatureOf('other', '1', '{}'))
  })
})

function byId(a: Notification, b: Notification): number {
  return a.id < b.id ? -1 : 1
}
