/** Deliberate mistakes: each breaks one rule of the protocol, and claims notice it (`switches.test.ts`). */
import { world } from './configurations.ts'
import type { Budgets, Configuration } from './state.ts'

export interface BrokenRule {
  readonly mistake: string
  /** Claims that notice it. */
  readonly noticedBy: readonly string[]
  /** A world small enough to find out quickly. */
  readonly where: Configuration
}

const rule = (
  mistake: string,
  noticedBy: readonly string[],
  change: Partial<Configuration> = {},
  budgets: Partial<Budgets> = {},
): BrokenRule => ({ mistake, noticedBy, where: world(change, budgets) })

const ALONE = { shards: 1, processes: [0] }
const TWO_FOR_ONE = { shards: 1, processes: [0, 0] }

export const SWITCHES = {
  noHeadLock: rule('appends number their events without the head row, and readers see past open ones', ['NoGap']),
  ownSequence: rule('a pass interprets the newest event alone and puts the cursor behind it', ['NoGap']),
  staleCache: rule(
    'the identity cache is not corrected by the change feed',
    ['NoEventOfLoser'],
    { events: 3 },
    { merges: 1 },
  ),
  cacheMarkedSeen: rule(
    'filling the cache after the commit also marks the feed as read',
    ['NoEventOfLoser'],
    { events: 3 },
    { merges: 1 },
  ),
  pairwiseMerges: rule(
    'several ids of one component are merged one into the next, not into the winner',
    ['NoHintToLoser', 'SingleWinner'],
    { ...ALONE, events: 4, hints: 3, width: 3 },
  ),
  mappingNotSerialised: rule('mapping does not take the mapping lock', ['SingleWinner']),
  staleMappedUpto: rule('mapping reads where to go on before it has the lock', ['MappedMonotone'], { events: 3 }),
  mergeLogNotChecked: rule(
    'an explicit merge does not look again, under the lock, who was merged away',
    ['NoHintToLoser', 'AcyclicMerges'],
    { events: 3, hints: 3 },
    { merges: 2 },
  ),
  selfMerge: rule('an explicit merge of an id with itself is let through', ['ValidMergePairs'], {}, { merges: 1 }),
  eraseNotInFeed: rule('an erasure writes no change', ['NoResurrection', 'NoOrphans'], {}, { erases: 1 }),
  mappingsKept: rule(
    'an erasure empties events but leaves their mappings',
    ['NoResurrection', 'TypesOk'],
    {},
    { erases: 1 },
  ),
  eraseDuringReset: rule(
    'an erasure does not take the slots while an identity reset runs',
    ['NoResurrection'],
    { ids: 4, exclusive: true },
    { erases: 1, resets: 1 },
  ),
  noFence: rule('chunks do not look whether the slot is still theirs', ['CursorMonotone'], TWO_FOR_ONE, {
    takeovers: 1,
  }),
  fenceNotHeld: rule('the fence is read without a lock that lasts until the commit', ['CursorMonotone'], TWO_FOR_ONE, {
    takeovers: 1,
  }),
  memoryKept: rule('a process keeps its memory although another one had the slot in between', ['NoGap'], {
    ...TWO_FOR_ONE,
    events: 3,
  }),
  slotNeverExpires: rule('the slot of a dead process stays taken', ['NothingHeld'], {}, { crashes: 1 }),
  cursorBeforeHistory: rule('the cursor is committed first, the history after it', ['NoGap']),
  historyBeforeCursor: rule('the history is committed first, the cursor after it', ['NoGap'], {}, { crashes: 1 }),
  pastMapping: rule('interpretation goes up to the head, mapped or not', ['NoGap']),
  passOnlyIfMapped: rule('new events start no pass until somebody has mapped them', ['CursorsAtHead']),
  everyOwner: rule('interpretation does not ask who owns an entity', ['MemoryOwned', 'OneOwner']),
  changeNotApplied: rule('the change cursor moves on without the changes being applied', ['NoGap'], { events: 3 }),
  loserNotDropped: rule("the loser's owner leaves it where it is", ['NoLoserInMemory'], { events: 3 }),
  ownEventsOnly: rule('a winner is rebuilt from the events it had before the merge', ['NoGap'], { events: 3 }),
  rebuildToHead: rule("a winner is rebuilt from mapped events above its shard's cursor, too", ['NoGap'], {
    ...ALONE,
    events: 3,
  }),
  feedNotPolled: rule('only new events start a pass, changes do not', ['TasksDone'], { events: 3 }),
  swapTakesFeedEnd: rule(
    'the swap puts the change cursor at the end of the feed, not where the shadow began',
    ['NoGap'],
    {},
    { fulls: 1, merges: 1 },
  ),
  swapKeepsChangeCursor: rule(
    'the swap leaves the change cursor where it was',
    ['ComesToRest'],
    { ids: 4 },
    { resets: 1 },
  ),
  shadowAcrossReset: rule(
    'a shadow begun before an identity reset is continued after it',
    ['NoGap'],
    { ...ALONE, ids: 4 },
    { resets: 1, fulls: 1, crashes: 1 },
  ),
  resetNotCoordinated: rule(
    'an identity reset takes the slot of its own shard alone',
    ['NoGap'],
    { ids: 4 },
    { resets: 1 },
  ),
  resetFencesOwnSlot: rule(
    'an identity reset takes every slot, but is fenced by its own alone',
    ['NoGap'],
    { ids: 4 },
    { resets: 1, takeovers: 1 },
  ),
} as const satisfies Record<string, BrokenRule>

export type Switch = keyof typeof SWITCHES
