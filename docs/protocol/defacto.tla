------------------------------ MODULE defacto ------------------------------
(* The protocol of ledger, identity and builds (docs/protocol/README.md).   *)
(* test/model/ holds the same model in TypeScript, action by action; both   *)
(* explorations must count the same distinct states.                        *)
EXTENDS Integers, Sequences, FiniteSets

CONSTANTS
  NShards, NProcs,        \* process p works for shard (p - 1) % NShards
  MaxEvents, NHints, MaxIds,
  Width,                  \* most hints of one event
  Crashes, Merges, Erases, Resets, Fulls, Takeovers,   \* budgets of the environment
  HeadLock,               \* appends take the head row first; else the safe head stays below open appends
  Exclusive,              \* merge and erase by hand take every slot, not the mapping lock alone
  Broken,                 \* "none", or the name of a deliberate mistake
  None

VARIABLES
  log,          \* <<[hints, entity, by]>>: entity 0 = unmapped or erased; by 0 = committed, 9 = gap, else the open writer
  used,         \* hints seen so far; new ones come in order, for they differ in nothing else
  idOf,         \* hint -> entity id, 0 = unknown
  next,         \* next free id
  pairs,        \* merge log: set of <<loser, winner>>
  feed,         \* identity_changes: <<[kind, id, into]>>
  erased,       \* marks of erased ids
  joins,        \* explicit merges: set of <<hints of from, hints of into>>
  dropped,      \* hint that the current identity rules ignore
  mappedUpto,
  resetUpTo,    \* ledger head at the beginning of the identity reset under way, 0 = none
  shard,        \* shard -> [cursor, changeCursor, bags, shadow, holder, last]
  proc,         \* process -> [pass, job, memory, cache, cacheSeen]
  left          \* budgets that are left

vars == <<log, used, idOf, next, pairs, feed, erased, joins, dropped, mappedUpto, resetUpTo, shard, proc, left>>
identity == <<idOf, next, pairs, feed, erased, joins, dropped, mappedUpto, resetUpTo>>

Shards == 0..(NShards - 1)
Procs == 1..NProcs
Hints == 1..NHints
Ids == 1..MaxIds
Seqs == 1..MaxEvents
Writers == {1, 2}
Gap == 9
Batch == 2

ShardOf(p) == (p - 1) % NShards
OwnerOf(id) == id % NShards
Min(S) == CHOOSE x \in S : \A y \in S : x <= y
Max0(S) == IF S = {} THEN 0 ELSE CHOOSE x \in S : \A y \in S : x >= y
Range(f) == {f[x] : x \in DOMAIN f}

\* A bag tells how often each event has been interpreted into an entity; more than twice counts as twice.
NoBag == [i \in Seqs |-> 0]
NoBags == [id \in Ids |-> NoBag]
Plus(bag, i) == [bag EXCEPT ![i] = IF @ = 2 THEN 2 ELSE @ + 1]
Patched(bags, work) == [id \in Ids |-> IF id \in work.touched THEN work.bags[id] ELSE bags[id]]

Positions == 1..Len(log)
IsCommitted(i) == log[i].by = 0
Open == {i \in Positions : log[i].by \in Writers}
LastCommitted == Max0({i \in Positions : IsCommitted(i)})
SafeHead == IF Broken = "noHeadLock" THEN LastCommitted ELSE IF Open = {} THEN Len(log) ELSE Min(Open) - 1
Seen(H, rule) == H \ {rule}
Effective(i) == Seen(log[i].hints, dropped)

Losers == {pair[1] : pair \in pairs}
OwnsEvents(id) == \E i \in Positions : log[i].entity = id
HintsOf(id) == {h \in Hints : idOf[h] = id}
BagOf(id, upTo) == [i \in Seqs |-> IF i <= upTo /\ i <= Len(log) /\ log[i].entity = id THEN 1 ELSE 0]

Init ==
  /\ log = <<>> /\ used = 0 /\ idOf = [h \in Hints |-> 0] /\ next = 1
  /\ pairs = {} /\ feed = <<>> /\ erased = {} /\ joins = {} /\ dropped = 0
  /\ mappedUpto = 0 /\ resetUpTo = 0
  /\ shard = [s \in Shards |->
       [cursor |-> 0, changeCursor |-> 0, bags |-> NoBags, shadow |-> None, holder |-> 0, last |-> 0]]
  /\ proc = [p \in Procs |->
       [pass |-> None, job |-> None, memory |-> None, cache |-> [h \in Hints |-> 0], cacheSeen |-> 0]]
  /\ left = [crashes |-> Crashes, merges |-> Merges, erases |-> Erases, resets |-> Resets, fulls |-> Fulls,
             takeovers |-> Takeovers]

-----------------------------------------------------------------------------
\* Appends

Locked == HeadLock /\ Broken # "noHeadLock"
HintSets(known) ==
  {H \in SUBSET Hints : Cardinality(H) <= Width /\ \A h \in H : h <= known \/ \A g \in (known + 1)..h : g \in H}

AppendBegin ==
  /\ Locked => Open = {}
  /\ \E w \in Writers :
       /\ \A i \in Open : log[i].by # w
       /\ \A v \in Writers : v < w => \E i \in Open : log[i].by = v
       /\ Len(log) < MaxEvents
       /\ \E H \in HintSets(used) :
            LET seen == Max0({used} \cup H)
                entry(hints) == [hints |-> hints, entity |-> 0, by |-> w]
            IN \/ log' = Append(log, entry(H)) /\ used' = seen
               \/ /\ Len(log) + 1 < MaxEvents
                  /\ \E G \in HintSets(seen) :
                       log' = log \o <<entry(H), entry(G)>> /\ used' = Max0({seen} \cup G)
  /\ UNCHANGED <<identity, shard, proc, left>>

AppendCommit ==
  \E w \in Writers :
    /\ \E i \in Open : log[i].by = w
    /\ log' = [i \in Positions |-> IF log[i].by = w THEN [log[i] EXCEPT !.by = 0] ELSE log[i]]
    /\ UNCHANGED <<used, identity, shard, proc, left>>

\* With the head row the numbers are given back; without it they are lost.
AppendRollback ==
  \E w \in Writers :
    /\ left.crashes > 0
    /\ \E i \in Open : log[i].by = w
    /\ log' = IF Locked THEN SelectSeq(log, LAMBDA e : e.by # w)
              ELSE [i \in Positions |-> IF log[i].by = w THEN [hints |-> {}, entity |-> 0, by |-> Gap] ELSE log[i]]
    /\ left' = [left EXCEPT !.crashes = @ - 1]
    /\ UNCHANGED <<used, identity, shard, proc>>

-----------------------------------------------------------------------------
\* Passes and slots

ResetAfter(k) == \E i \in (k + 1)..Len(feed) : feed[i].kind = "reset"

NextMode(s) ==
  CASE resetUpTo > 0 -> "reset"
    [] resetUpTo = 0 /\ (ResetAfter(shard[s].changeCursor) \/ shard[s].shadow # None) -> "full"
    [] resetUpTo = 0 /\ ~ResetAfter(shard[s].changeCursor) /\ shard[s].shadow = None ->
         IF \/ Broken # "passOnlyIfMapped" /\ SafeHead > shard[s].cursor
            \/ Broken = "passOnlyIfMapped" /\ mappedUpto > shard[s].cursor
            \/ Len(feed) > shard[s].changeCursor /\ Broken # "feedNotPolled"
         THEN "incremental" ELSE "none"

SlotsFor(mode, s) == IF mode = "reset" /\ Broken # "resetNotCoordinated" THEN Shards ELSE {s}

\* Another process took over a slot that p works under: p's transactions fail from then on.
Fenced(p) ==
  /\ Broken # "noFence" /\ proc[p].pass # None
  /\ \E s \in IF Broken = "resetFencesOwnSlot" THEN {ShardOf(p)} ELSE SlotsFor(proc[p].pass.mode, ShardOf(p)) :
       shard[s].holder # p

\* The holder has an open transaction, which locks the row of its slot.
FenceHeld(s) ==
  /\ Broken \notin {"noFence", "fenceNotHeld"}
  /\ shard[s].holder # 0
  /\ proc[shard[s].holder].job # None
  /\ proc[shard[s].holder].job.kind \in {"map", "chunk", "apply"}

Busy(mode, p) == {s \in SlotsFor(mode, ShardOf(p)) : shard[s].holder # 0}

Begin(p, mode, drop) ==
  LET own == shard[ShardOf(p)]
      valid == proc[p].memory # None /\ (own.last = p \/ Broken = "memoryKept")
  IN /\ shard' = [s \in Shards |->
          \* The state of all shards is a slot of its own; who held a shard's own slot last stays known.
          IF s \in SlotsFor(mode, ShardOf(p))
          THEN [shard[s] EXCEPT !.holder = p, !.last = IF mode = "reset" THEN @ ELSE p] ELSE shard[s]]
     /\ proc' = [proc EXCEPT
          ![p].pass = [mode |-> mode, cursor |-> own.cursor, changeCursor |-> own.changeCursor, drop |-> drop],
          ![p].memory = IF valid \/ mode = "reset" THEN @ ELSE own.bags]
     /\ UNCHANGED <<log, used, identity>>

Idle(p) == proc[p].pass = None /\ proc[p].job = None

PassBegin(p) ==
  LET mode == NextMode(ShardOf(p)) IN
  Idle(p) /\ mode # "none" /\ Busy(mode, p) = {} /\ Begin(p, mode, 0) /\ UNCHANGED left

\* The holders are taken for dead, but are only slow.
Takeover(p) ==
  LET mode == NextMode(ShardOf(p)) IN
  /\ Idle(p) /\ mode # "none" /\ left.takeovers > 0
  /\ Busy(mode, p) # {} /\ \A s \in Busy(mode, p) : ~FenceHeld(s) /\ shard[s].holder # p
  /\ Begin(p, mode, 0) /\ left' = [left EXCEPT !.takeovers = @ - 1]

AskFull(p) ==
  /\ Idle(p) /\ NextMode(ShardOf(p)) # "reset" /\ left.fulls > 0 /\ Busy("full", p) = {}
  /\ Begin(p, "full", 0) /\ left' = [left EXCEPT !.fulls = @ - 1]

AskReset(p) ==
  /\ Idle(p) /\ NextMode(ShardOf(p)) # "reset" /\ left.resets > 0 /\ Busy("reset", p) = {} /\ SafeHead > 0
  /\ \E drop \in 1..used : Begin(p, "reset", drop)
  /\ left' = [left EXCEPT !.resets = @ - 1]

WithoutSlots(p) ==
  [s \in Shards |-> IF shard[s].holder = p THEN [shard[s] EXCEPT !.holder = 0] ELSE shard[s]]

PassEnd(p) ==
  /\ proc[p].job = None /\ proc[p].pass # None /\ ~Fenced(p)
  /\ proc[p].pass.mode = "incremental" /\ NextMode(ShardOf(p)) = "none"
  /\ shard' = WithoutSlots(p)
  /\ proc' = [proc EXCEPT ![p].pass = None]
  /\ UNCHANGED <<log, used, identity, left>>

Abandon(p) ==
  /\ Fenced(p)
  /\ IF proc[p].job = None THEN TRUE ELSE proc[p].job.kind = "regroup"
  /\ shard' = WithoutSlots(p)
  /\ proc' = [proc EXCEPT ![p].pass = None, ![p].job = None]
  /\ UNCHANGED <<log, used, identity, left>>

\* Transactions roll back, memory and caches are gone, slots run out.
Crash(p) ==
  /\ left.crashes > 0
  /\ ~(Idle(p) /\ proc[p].memory = None /\ proc[p].cacheSeen = 0 /\ \A h \in Hints : proc[p].cache[h] = 0)
  /\ shard' = IF Broken = "slotNeverExpires" THEN shard ELSE WithoutSlots(p)
  /\ proc' = [proc EXCEPT ![p] =
       [pass |-> None, job |-> None, memory |-> None, cache |-> [h \in Hints |-> 0], cacheSeen |-> 0]]
  /\ left' = [left EXCEPT !.crashes = @ - 1]
  /\ UNCHANGED <<log, used, identity>>

\* p is in a pass, in the middle of nothing, and its fence holds.
Ready(p) == proc[p].pass # None /\ proc[p].job = None /\ ~Fenced(p)
Job(p, kind) == proc[p].job # None /\ proc[p].job.kind = kind

-----------------------------------------------------------------------------
\* Mapping

MappingLocked == \E p \in Procs : Job(p, "map")

RECURSIVE Corrected(_, _)
Corrected(cache, k) ==
  IF k >= Len(feed) THEN cache
  ELSE LET c == feed[k + 1]
           one(id) == IF c.kind = "reset" THEN 0
                      ELSE IF id # c.id THEN id ELSE IF c.kind = "merge" THEN c.into ELSE 0
       IN Corrected([h \in Hints |-> one(cache[h])], k + 1)

MapBegin(p) ==
  /\ Ready(p) /\ proc[p].pass.drop = 0
  /\ Broken \in {"mappingNotSerialised", "staleMappedUpto"} \/ ~MappingLocked
  /\ mappedUpto < SafeHead
  /\ LET stale == Broken = "staleCache"
         cache == IF stale THEN proc[p].cache ELSE Corrected(proc[p].cache, proc[p].cacheSeen)
         known == [h \in Hints |-> IF cache[h] # 0 THEN cache[h] ELSE idOf[h]]
         to == Min({mappedUpto + Batch, SafeHead})
     IN proc' = [proc EXCEPT ![p].job = [kind |-> "map", from |-> mappedUpto, to |-> to, known |-> known],
                             ![p].cache = cache, ![p].cacheSeen = IF stale THEN @ ELSE Len(feed)]
  /\ UNCHANGED <<log, used, identity, shard, left>>

\* The shared part of a merge, on a record of the shared tables.
MergedInto(t, loser, winner) ==
  [t EXCEPT
    !.idOf = [h \in Hints |-> IF t.idOf[h] = loser THEN winner ELSE t.idOf[h]],
    !.log = [i \in DOMAIN t.log |-> IF t.log[i].entity = loser THEN [t.log[i] EXCEPT !.entity = winner] ELSE t.log[i]],
    !.pairs = @ \cup {<<loser, winner>>},
    !.feed = Append(@, [kind |-> "merge", id |-> loser, into |-> winner])]

\* Losers of one component, smallest first; `before` is the id that came before.
RECURSIVE MergedAll(_, _, _, _)
MergedAll(t, losers, winner, before) ==
  IF losers = {} THEN t
  ELSE LET loser == Min(losers)
           target == IF Broken = "pairwiseMerges" THEN before ELSE winner
       IN MergedAll(MergedInto(t, loser, target), losers \ {loser}, winner, loser)

\* Events joined with those of S by a hint or a known id.
RECURSIVE Component(_, _, _)
Component(S, events, known) ==
  LET ids(i) == {known[h] : h \in Effective(i)} \ {0}
      T == S \cup {j \in events : \E i \in S : Effective(i) \cap Effective(j) # {} \/ ids(i) \cap ids(j) # {}}
  IN IF T = S THEN S ELSE Component(T, events, known)

RECURSIVE Resolved(_, _, _)
Resolved(t, components, known) ==
  IF components = {} THEN t
  ELSE LET C == CHOOSE c \in components : \A d \in components : Min(c) <= Min(d)
           hints == UNION {Effective(i) : i \in C}
           ids == {known[h] : h \in hints} \ {0}
           winner == IF ids = {} THEN t.next ELSE Min(ids)
           named == [t EXCEPT !.next = IF ids = {} THEN @ + 1 ELSE @,
                              !.idOf = [h \in Hints |-> IF h \in hints /\ t.idOf[h] = 0 THEN winner ELSE t.idOf[h]]]
           merged == MergedAll(named, ids \ {winner}, winner, winner)
       IN Resolved([merged EXCEPT
            !.log = [i \in DOMAIN merged.log |->
                       IF i \in C THEN [merged.log[i] EXCEPT !.entity = winner] ELSE merged.log[i]],
            !.found = [h \in Hints |-> IF h \in hints THEN winner ELSE merged.found[h]]], components \ {C}, known)

MapCommit(p) ==
  /\ Job(p, "map")
  /\ LET job == proc[p].job
         known == IF Broken = "staleMappedUpto" THEN idOf ELSE job.known
         events == {i \in (job.from + 1)..job.to : Effective(i) # {}}
         t == Resolved([idOf |-> idOf, log |-> log, pairs |-> pairs, feed |-> feed, next |-> next,
                        found |-> [h \in Hints |-> 0]],
                       {Component({i}, events, known) : i \in events}, known)
     IN /\ idOf' = t.idOf /\ log' = t.log /\ pairs' = t.pairs /\ feed' = t.feed /\ next' = t.next
        /\ mappedUpto' = job.to
        /\ proc' = [proc EXCEPT ![p].job = [kind |-> "cache", found |-> t.found]]
  /\ UNCHANGED <<used, erased, joins, dropped, resetUpTo, shard, left>>

CacheUpdate(p) ==
  /\ Job(p, "cache")
  /\ LET found == proc[p].job.found IN
     proc' = [proc EXCEPT ![p].job = None,
                          ![p].cache = [h \in Hints |-> IF found[h] # 0 THEN found[h] ELSE @[h]],
                          ![p].cacheSeen = IF Broken = "cacheMarkedSeen" THEN Len(feed) ELSE @]
  /\ UNCHANGED <<log, used, identity, shard, left>>

-----------------------------------------------------------------------------
\* Merge and erase by hand

SlotsFree == \A s \in Shards : shard[s].holder = 0

MergeAsk(p) ==
  /\ Idle(p) /\ left.merges > 0 /\ (Exclusive => SlotsFree)
  /\ \E from, into \in 1..(next - 1) :
       /\ from # into \/ Broken = "selfMerge"
       /\ from \notin Losers /\ OwnsEvents(from) /\ OwnsEvents(into)
       /\ proc' = [proc EXCEPT ![p].job = [kind |-> "merge", from |-> from, into |-> into]]
  /\ shard' = IF Exclusive THEN [s \in Shards |-> [shard[s] EXCEPT !.holder = p]] ELSE shard
  /\ left' = [left EXCEPT !.merges = @ - 1]
  /\ UNCHANGED <<log, used, identity>>

\* Under the mapping lock: nothing happens unless both ids are still alive and the slots still in hand.
MergeCommit(p) ==
  /\ Job(p, "merge") /\ ~MappingLocked
  /\ LET from == proc[p].job.from
         into == proc[p].job.into
         alive == OwnsEvents(from) /\ OwnsEvents(into) /\ from \notin Losers /\ into \notin Losers
         t == MergedInto([idOf |-> idOf, log |-> log, pairs |-> pairs, feed |-> feed], from, into)
         fenced == Exclusive /\ \E s \in Shards : shard[s].holder # p
     IN IF ~fenced /\ (alive \/ Broken = "mergeLogNotChecked")
        THEN /\ idOf' = t.idOf /\ log' = t.log /\ pairs' = t.pairs /\ feed' = t.feed
             /\ joins' = joins \cup {<<HintsOf(from), HintsOf(into)>>}
        ELSE UNCHANGED <<idOf, log, pairs, feed, joins>>
  /\ proc' = [proc EXCEPT ![p].job = None]
  /\ shard' = WithoutSlots(p)
  /\ UNCHANGED <<used, next, erased, dropped, mappedUpto, resetUpTo, left>>

RECURSIVE WithMergedInto(_)
WithMergedInto(S) ==
  LET T == S \cup {pair[1] : pair \in {q \in pairs : q[2] \in S}} IN IF T = S THEN S ELSE WithMergedInto(T)

RECURSIVE EraseChanges(_)
EraseChanges(S) ==
  IF S = {} THEN <<>> ELSE <<[kind |-> "erase", id |-> Min(S), into |-> 0]>> \o EraseChanges(S \ {Min(S)})

Erase(p) ==
  LET exclusive == Exclusive /\ Broken # "eraseDuringReset" IN
  /\ Idle(p) /\ left.erases > 0 /\ ~MappingLocked /\ (exclusive => SlotsFree)
  /\ \E id \in 1..(next - 1) :
       /\ OwnsEvents(id)
       /\ LET set == WithMergedInto({id})
              hints == {h \in Hints : idOf[h] \in set}
              emptied(e) ==
                IF e.entity # 0
                THEN IF e.entity \notin set THEN e
                     ELSE [e EXCEPT !.hints = {}, !.entity = IF Broken = "mappingsKept" THEN @ ELSE 0]
                ELSE IF e.by = 0 THEN [e EXCEPT !.hints = @ \ hints] ELSE e
          IN /\ idOf' = [h \in Hints |-> IF h \in hints THEN 0 ELSE idOf[h]]
             /\ log' = [i \in Positions |-> emptied(log[i])]
             /\ erased' = erased \cup set
             /\ pairs' = {pair \in pairs : pair[1] \notin set /\ pair[2] \notin set}
             /\ joins' = {join \in joins : (join[1] \cup join[2]) \cap hints = {}}
             /\ feed' = IF Broken = "eraseNotInFeed" THEN feed ELSE feed \o EraseChanges(set)
  /\ left' = [left EXCEPT !.erases = @ - 1]
  /\ UNCHANGED <<used, next, dropped, mappedUpto, resetUpTo, shard, proc>>

-----------------------------------------------------------------------------
\* Interpretation of one shard

RECURSIVE FoldedInto(_, _, _, _)
FoldedInto(work, i, to, s) ==
  IF i > to THEN work
  ELSE LET id == IF i <= Len(log) THEN log[i].entity ELSE 0
           mine == id # 0 /\ (OwnerOf(id) = s \/ Broken = "everyOwner")
       IN FoldedInto(IF mine THEN [touched |-> work.touched \cup {id}, bags |-> [work.bags EXCEPT ![id] = Plus(@, i)]]
                     ELSE work, i + 1, to, s)

ChunkRead(p) ==
  LET s == ShardOf(p)
      end == IF Broken = "pastMapping" THEN SafeHead ELSE mappedUpto
      to == IF Broken = "ownSequence" THEN end ELSE Min({proc[p].pass.cursor + Batch, end})
      from == IF Broken = "ownSequence" THEN end - 1 ELSE proc[p].pass.cursor
      work == FoldedInto([touched |-> {}, bags |-> proc[p].memory], from + 1, to, s)
  IN /\ Ready(p) /\ proc[p].pass.mode = "incremental" /\ proc[p].pass.cursor < end
     /\ proc' = [proc EXCEPT ![p].job = [kind |-> "chunk", to |-> to, bags |-> work.bags, touched |-> work.touched]]
     /\ UNCHANGED <<log, used, identity, shard, left>>

\* History, checkpoints and cursor in one commit; memory follows it. Two mistakes commit in two steps.
ChunkCommit(p) ==
  LET job == proc[p].job
      s == ShardOf(p)
      rows == Patched(shard[s].bags, job)
      half == Broken \in {"cursorBeforeHistory", "historyBeforeCursor"} /\ job.kind = "chunk"
  IN /\ Job(p, "chunk") \/ Job(p, "history")
     /\ shard' = [shard EXCEPT
          ![s].bags = IF half /\ Broken = "cursorBeforeHistory" THEN @ ELSE rows,
          ![s].cursor = IF half /\ Broken = "historyBeforeCursor" THEN @ ELSE job.to,
          ![s].changeCursor = IF half /\ Broken = "historyBeforeCursor" THEN @ ELSE proc[p].pass.changeCursor]
     /\ proc' = IF half THEN [proc EXCEPT ![p].job.kind = "history"]
                ELSE [proc EXCEPT ![p].job = None, ![p].memory = Patched(@, job), ![p].pass.cursor = job.to]
     /\ UNCHANGED <<log, used, identity, left>>

\* What the changes k+1.. mean for shard s: ids that go, and owned winners to be rebuilt.
RECURSIVE Consequences(_, _, _)
Consequences(k, s, c) ==
  IF k >= Len(feed) \/ Broken = "changeNotApplied" THEN c
  ELSE LET change == feed[k + 1]
           removed == IF OwnerOf(change.id) = s /\ Broken # "loserNotDropped" THEN {change.id} ELSE {}
           winner == IF change.kind = "merge" /\ OwnerOf(change.into) = s THEN {change.into} ELSE {}
       IN Consequences(k + 1, s,
            \* A reset calls for a full build; passes look for it when they begin, and none is under way meanwhile.
            IF change.kind = "reset" THEN c
            ELSE [removed |-> c.removed \cup removed, winners |-> (c.winners \ {change.id}) \cup winner])

ApplyRead(p) ==
  /\ Ready(p) /\ proc[p].pass.mode = "incremental" /\ proc[p].pass.changeCursor < Len(feed)
  /\ LET c == Consequences(proc[p].pass.changeCursor, ShardOf(p), [removed |-> {}, winners |-> {}])
         upTo == IF Broken = "rebuildToHead" THEN mappedUpto ELSE proc[p].pass.cursor
         before == proc[p].memory
         bags == [id \in Ids |->
           IF id \in c.winners THEN (IF Broken = "ownEventsOnly" THEN before[id] ELSE BagOf(id, upTo))
           ELSE IF id \in c.removed THEN NoBag ELSE before[id]]
     IN proc' = [proc EXCEPT ![p].job =
          [kind |-> "apply", to |-> Len(feed), bags |-> bags, touched |-> c.removed \cup c.winners]]
  /\ UNCHANGED <<log, used, identity, shard, left>>

ApplyCommit(p) ==
  /\ Job(p, "apply")
  /\ LET job == proc[p].job IN
     /\ shard' = [shard EXCEPT ![ShardOf(p)].bags = Patched(@, job), ![ShardOf(p)].cursor = proc[p].pass.cursor,
                               ![ShardOf(p)].changeCursor = job.to]
     /\ proc' = [proc EXCEPT ![p].job = None, ![p].memory = Patched(@, job), ![p].pass.changeCursor = job.to]
  /\ UNCHANGED <<log, used, identity, left>>

\* Time rules look whether an entity still owns events, and drop it if not.
Tick(p) ==
  LET s == ShardOf(p)
      orphans == {id \in Ids : shard[s].bags[id] # NoBag /\ ~OwnsEvents(id)}
      work == [bags |-> NoBags, touched |-> orphans]
  IN /\ Ready(p) /\ proc[p].pass.mode = "incremental" /\ orphans # {}
     /\ shard' = [shard EXCEPT ![s].bags = Patched(@, work)]
     /\ proc' = [proc EXCEPT ![p].memory = Patched(@, work)]
     /\ UNCHANGED <<log, used, identity, left>>

-----------------------------------------------------------------------------
\* Full builds and identity resets

Stale(s) == Broken # "shadowAcrossReset" /\ ResetAfter(shard[s].shadow.changeCursor)
ShadowReady(p) ==
  Ready(p) /\ proc[p].pass.mode = "full" /\ shard[ShardOf(p)].shadow # None /\ ~Stale(ShardOf(p))
ShadowRest(s) ==
  {id \in 1..(next - 1) : id > shard[s].shadow.after /\ OwnerOf(id) = s /\ BagOf(id, shard[s].shadow.upTo) # NoBag}

ShadowBegin(p) ==
  LET s == ShardOf(p) IN
  /\ Ready(p) /\ proc[p].pass.mode = "full"
  /\ IF shard[s].shadow = None THEN TRUE ELSE Stale(s)
  /\ shard' = [shard EXCEPT ![s].shadow =
       [upTo |-> mappedUpto, changeCursor |-> Len(feed), after |-> 0, bags |-> NoBags]]
  /\ UNCHANGED <<log, used, identity, proc, left>>

ShadowEntity(p) ==
  LET s == ShardOf(p) IN
  /\ ShadowReady(p) /\ ShadowRest(s) # {}
  /\ LET id == Min(ShadowRest(s)) IN
     shard' = [shard EXCEPT ![s].shadow.after = id, ![s].shadow.bags[id] = BagOf(id, shard[s].shadow.upTo)]
  /\ UNCHANGED <<log, used, identity, proc, left>>

Swap(p) ==
  LET s == ShardOf(p)
      shadow == shard[s].shadow
      changeCursor == CASE Broken = "swapTakesFeedEnd" -> Len(feed)
                        [] Broken = "swapKeepsChangeCursor" -> shard[s].changeCursor
                        [] OTHER -> shadow.changeCursor
      again == Broken = "swapKeepsChangeCursor" /\ ResetAfter(changeCursor)
  IN /\ ShadowReady(p) /\ ShadowRest(s) = {}
     /\ shard' = [shard EXCEPT ![s].cursor = shadow.upTo, ![s].changeCursor = changeCursor,
                               ![s].bags = shadow.bags, ![s].shadow = None]
     /\ proc' = [proc EXCEPT ![p].memory = shadow.bags,
          ![p].pass = [mode |-> IF again THEN "full" ELSE "incremental", cursor |-> shadow.upTo,
                       changeCursor |-> changeCursor, drop |-> 0]]
     /\ UNCHANGED <<log, used, identity, left>>

\* Hint sets that belong together: closed under the given sets.
RECURSIVE Closed(_, _)
Closed(H, sets) ==
  LET G == H \cup UNION {S \in sets : S \cap H # {}} IN IF G = H THEN H ELSE Closed(G, sets)

\* The whole ledger grouped anew under rules that ignore `drop`, with stable ids: a group takes over the smallest old id
\* all of whose hints went into it.
RECURSIVE Named(_, _, _)
Named(groups, homes, t) ==
  IF groups = {} THEN t
  ELSE LET G == CHOOSE g \in groups : \A f \in groups : Min(g) <= Min(f)
           kept == {home[1] : home \in {one \in homes : one[2] = G}}
           id == IF kept = {} THEN t.next ELSE Min(kept)
       IN Named(groups \ {G}, homes,
            [idOf |-> [h \in Hints |-> IF h \in G THEN id ELSE t.idOf[h]],
             next |-> IF kept = {} THEN t.next + 1 ELSE t.next,
             pairs |-> t.pairs \cup {<<loser, id>> : loser \in kept \ {id}}])

Regrouped(drop, upTo) ==
  LET rows == {Seen(log[i].hints, drop) : i \in {j \in 1..upTo : IsCommitted(j)}} \ {{}}
      there == UNION rows
      side(H) == IF H \cap there = {} THEN {} ELSE {Min(H \cap there)}
      joined == {side(join[1]) \cup side(join[2]) :
                   join \in {j \in joins : side(j[1]) # {} /\ side(j[2]) # {}}}
      groups == {Closed(S, rows \cup joined) : S \in rows}
      old == {idOf[h] : h \in there} \ {0}
      homes == {home \in old \X groups : HintsOf(home[1]) \cap there \subseteq home[2]}
      t == Named(groups, homes, [idOf |-> [h \in Hints |-> 0], next |-> next, pairs |-> pairs])
  IN [t EXCEPT !.pairs = {pair \in @ : pair[1] \notin Range(t.idOf)}]

RegroupRead(p) ==
  /\ Ready(p) /\ proc[p].pass.mode = "reset" /\ proc[p].pass.drop > 0
  /\ proc' = [proc EXCEPT ![p].job =
       [kind |-> "regroup", upTo |-> SafeHead, regrouped |-> Regrouped(proc[p].pass.drop, SafeHead)]]
  /\ UNCHANGED <<log, used, identity, shard, left>>

RegroupCommit(p) ==
  /\ Job(p, "regroup") /\ ~Fenced(p) /\ ~MappingLocked
  /\ LET t == proc[p].job.regrouped IN idOf' = t.idOf /\ next' = t.next /\ pairs' = t.pairs
  /\ log' = [i \in Positions |-> [log[i] EXCEPT !.entity = 0]]
  /\ feed' = Append(feed, [kind |-> "reset", id |-> 0, into |-> 0])
  /\ dropped' = proc[p].pass.drop
  /\ mappedUpto' = 0
  /\ resetUpTo' = proc[p].job.upTo
  /\ proc' = [proc EXCEPT ![p].job = None, ![p].pass.drop = 0]
  /\ UNCHANGED <<used, erased, joins, shard, left>>

ResetEnd(p) ==
  /\ Ready(p) /\ proc[p].pass.mode = "reset" /\ proc[p].pass.drop = 0 /\ mappedUpto >= resetUpTo
  /\ resetUpTo' = 0
  /\ shard' = WithoutSlots(p)
  /\ proc' = [proc EXCEPT ![p].pass = None]
  /\ UNCHANGED <<log, used, idOf, next, pairs, feed, erased, joins, dropped, mappedUpto, left>>

-----------------------------------------------------------------------------
Fair ==
  \/ AppendCommit
  \/ \E p \in Procs :
       \/ PassBegin(p) \/ PassEnd(p) \/ Abandon(p)
       \/ MapBegin(p) \/ MapCommit(p) \/ CacheUpdate(p) \/ MergeCommit(p)
       \/ ChunkRead(p) \/ ChunkCommit(p) \/ ApplyRead(p) \/ ApplyCommit(p) \/ Tick(p)
       \/ ShadowBegin(p) \/ ShadowEntity(p) \/ Swap(p)
       \/ RegroupRead(p) \/ RegroupCommit(p) \/ ResetEnd(p)

Environment ==
  \/ AppendBegin \/ AppendRollback
  \/ \E p \in Procs :
       Crash(p) \/ Takeover(p) \/ AskFull(p) \/ AskReset(p) \/ MergeAsk(p) \/ Erase(p)

Next == Fair \/ Environment
Spec == Init /\ [][Next]_vars /\ WF_vars(Fair)

-----------------------------------------------------------------------------
\* Invariants (spec 04 §6.3, §6.4)

TypesOk ==
  /\ next <= MaxIds + 1 /\ \A h \in Hints : idOf[h] < next
  /\ mappedUpto <= Len(log)
  /\ \A i \in Positions : log[i].entity # 0 =>
       log[i].entity < next /\ IsCommitted(i) /\ i <= mappedUpto /\ Effective(i) # {}
  /\ \A s \in Shards : shard[s].cursor <= Len(log) /\ shard[s].changeCursor <= Len(feed)

NoHintToLoser == \A h \in Hints : idOf[h] \notin Losers
NoEventOfLoser == \A i \in Positions : log[i].entity \notin Losers
ValidMergePairs == \A pair \in pairs : pair[1] # pair[2] /\ pair[1] \in 1..(next - 1) /\ pair[2] \in 1..(next - 1)

\* Memory of a process counts while it may use it: in a pass, with its shard's slot in hand.
Holds(p) == IF proc[p].pass = None THEN FALSE ELSE proc[p].pass.mode # "reset" /\ shard[ShardOf(p)].holder = p
InMemory(id, s) ==
  \/ shard[s].bags[id] # NoBag
  \/ \E p \in Procs : IF ShardOf(p) = s /\ Holds(p) THEN proc[p].memory[id] # NoBag ELSE FALSE

MemoryOwned == \A s \in Shards, id \in Ids : InMemory(id, s) => OwnerOf(id) = s
OneOwner == \A id \in Ids : Cardinality({s \in Shards : shard[s].bags[id] # NoBag}) <= 1

EveryEventMapped ==
  \A i \in Positions : i <= mappedUpto /\ log[i].by # Gap =>
    IsCommitted(i) /\ ((log[i].entity # 0) <=> (Effective(i) # {}))

\* Changes not applied yet are a shard's pending work; they excuse the entities they name, a reset excuses all.
EveryEventOnce ==
  \A s \in Shards : ~ResetAfter(shard[s].changeCursor) =>
    \A id \in 1..(next - 1) :
      (\A k \in (shard[s].changeCursor + 1)..Len(feed) : feed[k].id # id /\ feed[k].into # id) =>
        shard[s].bags[id] = IF OwnerOf(id) = s THEN BagOf(id, shard[s].cursor) ELSE NoBag
NoGap == EveryEventMapped /\ EveryEventOnce

ErasedAt(id) == Max0({k \in 1..Len(feed) : feed[k].kind = "erase" /\ feed[k].id = id})
NoResurrection ==
  \A id \in erased :
    /\ \A h \in Hints : idOf[h] # id
    /\ ~OwnsEvents(id)
    /\ \A p \in Procs, h \in Hints : proc[p].cache[h] = id => proc[p].cacheSeen < ErasedAt(id)
    /\ \A s \in Shards :
         /\ InMemory(id, s) => shard[s].changeCursor < ErasedAt(id)
         /\ IF shard[s].shadow = None THEN TRUE
            ELSE shard[s].shadow.bags[id] # NoBag => shard[s].shadow.changeCursor < ErasedAt(id)

NoLoserInMemory ==
  \A s \in Shards : \A k \in 1..shard[s].changeCursor : feed[k].kind # "reset" => ~InMemory(feed[k].id, s)

\* One row per loser, and the way ends at an id that owns hints or was erased, or that a reset left without hints.
RECURSIVE EndOf(_, _)
EndOf(id, steps) ==
  IF id \notin Losers THEN id
  ELSE IF steps = 0 THEN 0 ELSE EndOf((CHOOSE pair \in pairs : pair[1] = id)[2], steps - 1)
AcyclicMerges ==
  \A id \in Losers :
    /\ Cardinality({pair \in pairs : pair[1] = id}) = 1
    /\ LET end == EndOf(id, Cardinality(pairs)) IN
       end # 0 /\ (HintsOf(end) # {} \/ end \in erased \/ ResetAfter(0))

SingleWinner ==
  /\ \A i \in Positions : log[i].entity # 0 => \A h \in Effective(i) : idOf[h] \in {0, log[i].entity}
  /\ \A join \in joins :
       LET ids(H) == {h \in H : idOf[h] # 0} IN
       ids(join[1]) # {} /\ ids(join[2]) # {} => idOf[Min(ids(join[1]))] = idOf[Min(ids(join[2]))]

Invariants ==
  /\ TypesOk /\ NoHintToLoser /\ NoEventOfLoser /\ ValidMergePairs /\ MemoryOwned /\ OneOwner /\ NoGap
  /\ NoResurrection /\ NoLoserInMemory /\ AcyclicMerges /\ SingleWinner

CursorMonotone ==
  [][\A s \in Shards : shard'[s].cursor >= shard[s].cursor /\ shard'[s].changeCursor >= shard[s].changeCursor]_vars
MappedMonotone ==
  [][mappedUpto' >= mappedUpto \/ \E k \in (Len(feed) + 1)..Len(feed') : feed'[k].kind = "reset"]_vars

\* Liveness (spec 04 §6.4): with a bounded environment, all work is done in the end and stays done.
TasksDone == resetUpTo = 0 /\ \A s \in Shards : shard[s].changeCursor = Len(feed) /\ shard[s].shadow = None
CursorsAtHead == Open = {} /\ mappedUpto = SafeHead /\ \A s \in Shards : shard[s].cursor = SafeHead
NoOrphans == \A s \in Shards, id \in Ids : shard[s].bags[id] # NoBag => OwnsEvents(id)
NothingHeld ==
  (\A p \in Procs : Idle(p)) /\ \A s \in Shards : shard[s].holder = 0 /\ NextMode(s) = "none"
AtRest == TasksDone /\ CursorsAtHead /\ NoOrphans /\ NothingHeld
ComesToRest == <>[]AtRest
=============================================================================
