/** `compliance` of the configuration (spec 10 §7.2, §10): who approves, until when, what proves it. */
import { instantFromText, parseDurationText } from './core/instant.ts'
import { closest } from './core/spelling.ts'
import type { CompliancePolicy } from './engine/privacy/context.ts'
import { ConfigError } from './errors.ts'

export interface ComplianceOptions {
  /** Nothing leaves this process for Temporal unencrypted. */
  strict?: boolean
  /** `required`: somebody else than the requester has to approve an erasure or redaction. Default `none`. */
  approval?: 'required' | 'none'
  /** Until when a request is to be closed, from when it was made; default `30d`. */
  deadline?: string
  /** When people are warned before that, from when it was made; default `20d, 25d, 28d`. */
  warnAt?: string | string[]
  /** Copies that nobody changes: every certificate names them. `expires`: how long they are kept (`35d`), or an instant. */
  backups?: { name: string; expires?: string }[]
  /** Ed25519 private key (PKCS #8, PEM) that signs certificates; in development one is made beside the database. */
  signingKey?: string
  /** Folder that keeps every certificate outside the database; default: beside the database file, none on a server. */
  certificates?: string
  /**
   * Whole addresses of servers that were exported to, with what it takes to sign in: the list of exports keeps no passwords,
   * and a purge of exports has to get in.
   */
  exports?: string[]
}

export interface Compliance extends CompliancePolicy {
  readonly signingKey: string | null
  readonly certificates: string | null
  readonly exports: readonly string[]
}

const NAMES = ['strict', 'approval', 'deadline', 'warnAt', 'backups', 'signingKey', 'certificates', 'exports'] as const
const DAY_MS = 86_400_000
const DEADLINE_MS = 30 * DAY_MS
const WARN_AT_MS = [20 * DAY_MS, 25 * DAY_MS, 28 * DAY_MS]

/** @throws ConfigError for unknown names (with a suggestion) and wrong values */
export function checkCompliance(given: unknown, nameOf: (spelling: string) => string): Compliance {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw wrong('', 'an object')
  const options: Record<string, unknown> = {}
  for (const [spelling, value] of Object.entries(given)) {
    const name = nameOf(spelling)
    if (!(NAMES as readonly string[]).includes(name)) {
      const guess = closest(name, NAMES)
      throw new ConfigError(
        `unknown option 'compliance.${spelling}'${guess ? `, did you mean '${guess}'?` : `; known: ${NAMES.join(', ')}`}`,
        { code: 'E_CONFIG_UNKNOWN_OPTION', details: { option: `compliance.${spelling}`, suggestion: guess ?? null } },
      )
    }
    if (value !== undefined && value !== null) options[name] = value
  }
  const { approval = 'none', deadline, warnAt, backups } = options
  if (approval !== 'required' && approval !== 'none') throw wrong('approval', "'required' or 'none'")
  const deadlineMs = deadline === undefined ? DEADLINE_MS : durationOf('deadline', deadline)
  const listed = typeof warnAt === 'string' ? warnAt.split(',') : warnAt
  if (listed !== undefined && !Array.isArray(listed)) throw wrong('warnAt', 'a list of durations like 20d')
  const warnings = listed === undefined ? WARN_AT_MS : listed.map((text) => durationOf('warnAt', text))
  return {
    approval,
    deadlineMs,
    warnAtMs: warnings.filter((ms) => ms < deadlineMs).sort((a, b) => a - b),
    backups: backupsOf(backups ?? []),
    signingKey: textOf('signingKey', options['signingKey']),
    certificates: textOf('certificates', options['certificates']),
    exports: addressesOf(options['exports'] ?? []),
  }
}

function backupsOf(given: unknown): Compliance['backups'] {
  if (!Array.isArray(given)) throw wrong('backups', 'a list of {name, expires}')
  return given.map((backup: unknown) => {
    const { name, expires = null } = (backup ?? {}) as Record<string, unknown>
    // The name goes into certificates.
    if (typeof name !== 'string' || !/^[A-Za-z0-9_.-]{1,64}$/.test(name))
      throw wrong('backups', "a list whose items have a 'name' of letters, digits, '_', '.' and '-'")
    if (expires === null) return { name, expires }
    const isTime = typeof expires === 'string' && (parseDurationText(expires) ?? instantFromText(expires)) !== null
    if (!isTime) throw wrong(`backups: 'expires' of ${name}`, 'a duration like 35d, or an instant')
    return { name, expires: String(expires) }
  })
}

/** Never repeated in errors: they hold passwords. */
function addressesOf(given: unknown): readonly string[] {
  const listed: unknown = typeof given === 'string' ? [given] : given
  const isList =
    Array.isArray(listed) && listed.every((one) => typeof one === 'string' && /^[a-z][a-z0-9+]*:\/\//.test(one))
  if (!isList) throw wrong('exports', 'a list of addresses like postgresql://user:password@host/database')
  return listed as readonly string[]
}

function durationOf(name: string, given: unknown): number {
  const duration = typeof given === 'string' ? parseDurationText(given) : null
  if (duration === null || duration.ms <= 0) throw wrong(name, 'a duration like 30d')
  return duration.ms
}

function textOf(name: string, given: unknown): string | null {
  if (given === undefined) return null
  if (typeof given === 'string' && given.trim() !== '') return given
  throw wrong(name, 'a text that is not empty')
}

function wrong(name: string, want: string): ConfigError {
  return new ConfigError(`option 'compliance${name === '' ? '' : `.${name}`}' must be ${want}`, {
    details: { option: 'compliance' },
  })
}
