/** Result shapes of the public API (spec 09 §4). All objects are readonly; instants are canonical text (spec 04 §1). */
/** Milliseconds per stage, with `total_ms` and `overhead_ms`. */
export type Timing = Readonly<Record<string, number>>

export type Stage = 'normalization' | 'interpretation' | 'publishing' | 'consumption'

/** Where a record came from; `line` is 1-based, `byte` the offset of its first byte. */
export interface Origin {
  part: string
  line: number | null
  byte: number | null
}

/** One failed unit of work (spec 03 §11, 07 §9). `raw` is the record as received. */
export interface EventFailure {
  readonly raw: unknown
  readonly error: string
  readonly stage: Stage
  readonly source: string
  readonly handler: string | null
  readonly field: string | null
  readonly entityId: string | null
  readonly entityType: string | null
  readonly eventId: string | null
  readonly eventType: string | null
  readonly sequence: number | null
  readonly version: string | null
  readonly at: string
  readonly recoverable: boolean
  readonly origin: Origin | null
  readonly advisory?: true
}

export type BuildMode = 'SKIP' | 'INCREMENTAL' | 'FULL' | 'FULL_WITH_IDENTITY_RESET' | 'FULL_RENORMALIZE' | 'PARTIAL'

export interface IngestResult {
  readonly eventsIngested: number
  readonly eventsFailed: number
  readonly duplicatesSkipped: number
  readonly eventsUnresolved: number
  readonly duplicateIds: readonly string[]
  readonly failures: readonly EventFailure[]
  readonly buildResult: BuildResult | null
  readonly timing: Timing
}

export interface BuildResult {
  readonly mode: BuildMode
  readonly eventsProcessed: number
  readonly eventsUnresolved: number
  readonly effectsProduced: number
  readonly entitiesCreated: number
  readonly entitiesUpdated: number
  readonly mergesDetected: number
  readonly lateArrivals: number
  readonly eventsFailed: number
  readonly failures: readonly EventFailure[]
  readonly durationMs: number
  readonly timing: Timing
}

export interface BuildStatus {
  readonly cursor: number
  readonly totalEvents: number
  readonly pendingEvents: number
  readonly dirty: boolean
  readonly lastBuildTime: string | null
  readonly lastBuildMode: BuildMode | null
  readonly definitionHash: string
  readonly sourceHash: string
  readonly identityHash: string
  readonly publishLag: number
  /** Of a version that several shards build, each one's own; the fields above are then those of the one furthest behind. */
  readonly shards?: readonly ShardStatus[]
}

export interface ShardStatus {
  readonly shardId: number
  readonly cursor: number
  readonly dirty: boolean
  readonly lastBuildTime: string | null
}

export interface BuildProgress {
  readonly phase: 'renormalize' | 'map' | 'interpret' | 'rebuild' | 'tick' | 'swap'
  readonly done: number
  readonly total: number
}

/** What an entity is from `validFrom` on (spec 03 §9). Property values are those of query rows. */
export interface Snapshot {
  readonly entityId: string
  readonly entityType: string
  readonly state: string
  readonly properties: Readonly<Record<string, unknown>>
  readonly lastEventTime: string
  readonly stateEnteredTime: string
  readonly createdTime: string
  readonly validFrom: string
}

export interface TickResult {
  readonly effectsProduced: number
  readonly entitiesAffected: number
  readonly transitions: number
  readonly failures: readonly EventFailure[]
  /** Only of a dry run: the rows it would write, in order of time. */
  readonly changes?: readonly Snapshot[]
}

export interface TimelineEntry {
  readonly timestamp: string
  readonly eventType: string
  readonly eventId: string
  readonly effects: readonly string[]
  readonly stateBefore: string | null
  readonly stateAfter: string | null
}

export interface Timeline {
  readonly entityId: string
  readonly entityType: string
  readonly entries: readonly TimelineEntry[]
  readonly resolvedFrom?: string
}

/** Where the value of one property came from; what `explain` returns. Values are those of query rows. */
export interface Explanation {
  readonly entityId: string
  readonly entityType: string
  /** A property of the entity, or `state`. */
  readonly property: string
  /** The version whose definitions made the value, and the hash of those (spec 01 §6). */
  readonly version: string
  readonly definitionHash: string
  /** The instant the answer is about. */
  readonly asOf: string
  /** What it was then; null: nothing. */
  readonly value: unknown
  /** What it was right before it got this value. */
  readonly before: unknown
  /** Since when it had the value; null before the entity was created. */
  readonly validFrom: string | null
  /** Until when, exclusive; null: it still has it. */
  readonly validTo: string | null
  readonly origin: ExplainedOrigin
  /** One sentence for people, without the values. */
  readonly summary: string
  /** What made the change; null before the entity was created. */
  readonly cause: ExplainedEvent | ExplainedRule | null
  /**
   * The place in the definitions that gave the value: `customer.states.lead.when.upgraded.effects[1]`,
   * `customer.always.seen.effects[0]`, `customer.states.trial.after[0].effects[0]`, `customer.properties.plan.default`,
   * `customer.properties.score.compute`. Null if nothing did.
   */
  readonly path: string | null
  /** What stands there, as in the canonical definitions. */
  readonly definition: unknown
  /** What the value was made from, in the order it is read. */
  readonly inputs: readonly ExplainedInput[]
  /** The id asked for, if that entity was merged into this one. */
  readonly resolvedFrom?: string
}

/**
 * `event`, `time_rule`: an effect gave the value. `computed`: the definition of the property did, after the effects of the
 * cause. `default`: it has it since it was created. `cleared`: an effect or a computation took the value away.
 * `never_set`: nothing has given it one yet. `not_created`: the entity did not exist yet.
 */
export type ExplainedOrigin = 'event' | 'time_rule' | 'computed' | 'default' | 'cleared' | 'never_set' | 'not_created'

export interface ExplainedEvent {
  readonly kind: 'event'
  readonly sequence: number
  readonly eventId: string
  readonly eventType: string
  readonly timestamp: string
  readonly source: string
  /** SHA-256 of the record as received, in hexadecimal; null if it is kept no more. */
  readonly rawDigest: string | null
}

export interface ExplainedRule {
  readonly kind: 'time_rule'
  /** `<state>.after[<index>]`, as in timelines. */
  readonly rule: string
  /** When the threshold was crossed. */
  readonly timestamp: string
}

export interface ExplainedInput {
  /** As the definition reads it: `event.plan`, `entity.seats`. */
  readonly read: string
  readonly value: unknown
  /** The mapping that made an event's field, `sources.crm.events.upgraded.mappings.plan`; null: none did. */
  readonly mapping: string | null
  /** Fields of the raw record it reads, as paths. */
  readonly rawFields: readonly string[]
  /** The expression that makes the field from them; null: it is taken as it is. */
  readonly compute: string | null
}

/** What `merge` did (spec 05 §3). */
export interface MergeResult {
  /** The entity that was merged away: the one named, or the survivor it had become before. */
  readonly fromEntityId: string
  readonly intoEntityId: string
  /** Mappings of events that moved. */
  readonly eventsReassigned: number
  readonly entitiesRebuilt: number
  readonly tombstonesProduced: number
  readonly failures: readonly EventFailure[]
  /** Nothing was written: both are one entity already, or the one to merge away is unknown. */
  readonly noop?: 'already-merged' | 'unknown-source'
}

/** What `erase` did (spec 05 §4.4). Zeros: there was nobody, or it was finished before. */
export interface EraseResult {
  /** As given. */
  readonly entityId: string
  /** Null: nobody was found, so nothing was requested. */
  readonly requestId: string | null
  readonly entitiesErased: number
  /** Each event once, whatever tiers held it. */
  readonly eventsDeleted: number
  /** Events of others that lost the person's fields. */
  readonly eventsScrubbed: number
  readonly mergeLogCleaned: number
  /** False: a store is still to be reached; `pending` names it, and it is asked again. */
  readonly complete: boolean
  readonly pending: readonly string[]
  /** Exports of the entity's types. Only with `purgeExports` they were changed. */
  readonly exports: readonly ExportMention[]
  /** What proves it; null until it is complete. */
  readonly certificateId: string | null
}

/** What `redact(id, {details: true})` did (spec 05 §5.4). */
export interface RedactResult {
  readonly requestId: string | null
  /** Distinct events that were changed. */
  readonly events: number
  readonly fields: number
  /** Where something was changed. */
  readonly stores: readonly string[]
  readonly complete: boolean
  readonly pending: readonly string[]
}

/** An export that an erasure concerns. */
export interface ExportMention {
  readonly exportId: string
  readonly path: string
  readonly format: string
  readonly version: string
  readonly entityTypes: readonly string[]
  readonly at: string
}
