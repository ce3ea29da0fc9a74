/** Contract of what is stored about erasures, redactions and holds (spec 05 §4.3, 10 §10). */
import assert from 'node:assert/strict'
import { ConflictError, NotFoundError } from '../../errors.ts'
import type { CertificateRow, Erasure, ErasureRequest, Hold, StoreState } from '../../ports/privacy.ts'
import type { Store, Unit } from '../../ports/store.ts'
import { type Contract, inUnit, withStore } from './backend.ts'
import { minute, ODD } from './run-log-fixtures.ts'

const FIRST = '0'.repeat(64)

function request(requestId: string, options: Partial<ErasureRequest> = {}): ErasureRequest {
  return {
    requestId,
    kind: 'erase',
    entityId: 'person_1',
    status: 'requested',
    reason: 'asked for by letter',
    requestedBy: 'desk',
    requestedAt: minute(0),
    deadline: minute(30),
    approvedBy: null,
    approvedAt: null,
    closedAt: null,
    options: { suppress: false, purgeExports: true, sticky: true },
    waitingFor: [],
    retryAt: null,
    warnedMs: 0,
    holdsCheckedAt: null,
    receipt: 'r'.repeat(43),
    runId: null,
    ...options,
  }
}

function hold(holdId: string, options: Partial<Hold> = {}): Hold {
  return {
    holdId,
    entityId: 'person_1',
    entityType: null,
    filter: null,
    reason: 'a lawsuit',
    placedBy: 'legal',
    placedAt: minute(0),
    until: null,
    releasedAt: null,
    ...options,
  }
}

function erasure(requestId: string, options: Partial<Erasure> = {}): Erasure {
  return {
    erasureId: `e_${requestId}`,
    requestId,
    kind: 'erase',
    entities: [
      { id: 'person_1', type: 'person' },
      { id: 'person_0', type: 'person' },
    ],
    digests: ['d1', 'd2'],
    eventDigests: ['d3'],
    emptied: [1, 2, Number.MAX_SAFE_INTEGER],
    treated: [3],
    exports: ['x_1'],
    stores: {},
    counts: { entities: 2, eventsDeleted: 3, eventsScrubbed: 1, mergeLog: 1, fields: 4 },
    ledgerHead: 7,
    versions: ['v1', 'v2'],
    startedAt: minute(1),
    pivotAt: null,
    closedAt: null,
    ...options,
  }
}

const PENDING: StoreState = {
  state: 'pending',
  action: 'rewritten',
  items: 0,
  error: null,
  attempts: 0,
  verified: null,
  outstanding: [],
  at: null,
}

function certificate(certificateId: string, options: Partial<CertificateRow> = {}): CertificateRow {
  const hash = Buffer.from(certificateId).toString('hex').padEnd(64, '0')
  return { certificateId, requestId: 'q_1', hash, previous: FIRST, at: minute(9), body: `{"v":1}`, ...options }
}

export function privacyLogContract(contract: Contract): void {
  const { backend, api } = contract
  const test = (name: string, work: (store: Store) => Promise<void>): unknown =>
    api.it(name, () => withStore(backend, work))
  const idsOf = (rows: readonly { requestId: string }[]): string[] => rows.map(({ requestId }) => requestId)
  /** Closes a request behind whatever is the newest certificate. */
  const closed = (store: Store, requestId: string, certificateId: string): Promise<CertificateRow> =>
    inUnit(store, async (unit) => {
      const previous = await store.privacy.lastHash(unit)
      const row = certificate(certificateId, { requestId, previous })
      await store.privacy.close(unit, requestId, row, minute(9))
      return row
    })

  api.describe(`requests on ${backend.name}`, () => {
    test('come back with everything that was said', async ({ privacy }) => {
      const full = request('q_full', {
        kind: 'redact',
        status: 'held',
        reason: 'Grüße 🦉 "quoted"',
        approvedBy: 'boss',
        approvedAt: minute(2),
        waitingFor: ['hold:h_1', 'store:cold'],
        retryAt: minute(3),
        warnedMs: 1_728_000_000,
        holdsCheckedAt: minute(4),
        runId: 'r_1',
      })
      await privacy.create(full)
      assert.deepEqual(await privacy.request('q_full'), full)
      assert.equal(await privacy.request('q_other'), undefined)
      const many = request('q_many', { kind: 'retention', entityId: null, reason: null, requestedBy: null })
      await privacy.create(many)
      assert.deepEqual(await privacy.request('q_many'), many)
    })

    test('take what no database can hold in a text', async ({ privacy }) => {
      await privacy.create(request('q_1', { reason: ODD }))
      assert.equal((await privacy.request('q_1'))?.reason, ODD.toWellFormed().replaceAll('\u0000', '\ufffd'))
    })

    test('are listed oldest first, by status, kind and entity', async ({ privacy }) => {
      await privacy.create(request('q_3', { requestedAt: minute(3), status: 'held' }))
      await privacy.create(request('q_1', { requestedAt: minute(1), kind: 'redact' }))
      await privacy.create(request('q_2', { requestedAt: minute(2), entityId: 'person_2' }))
      await privacy.create(request('q_4', { requestedAt: minute(3), status: 'closed', closedAt: minute(4) }))
      assert.deepEqual(idsOf(await privacy.requests()), ['q_1', 'q_2', 'q_3', 'q_4'])
      assert.deepEqual(idsOf(await privacy.requests({ limit: 2 })), ['q_1', 'q_2'])
      assert.deepEqual(idsOf(await privacy.requests({ status: ['held', 'closed'] })), ['q_3', 'q_4'])
      assert.deepEqual(idsOf(await privacy.requests({ status: ['requested', 'held'], kind: ['erase'] })), [
        'q_2',
        'q_3',
      ])
      assert.deepEqual(idsOf(await privacy.requests({ entityId: 'person_2' })), ['q_2'])
      assert.deepEqual(idsOf(await privacy.requests({ entityId: 'a\u0000b' })), [])
      assert.deepEqual(idsOf(await privacy.requests({ status: [] })), [])
    })

    test('are made once for an entity that has an open one', async ({ privacy }) => {
      const unlessOpen = ['person_0', 'person_1']
      const first = await privacy.create(request('q_1'), { unlessOpen })
      assert.deepEqual(first, request('q_1'))
      assert.deepEqual(await privacy.create(request('q_2', { entityId: 'person_0' }), { unlessOpen }), first)
      assert.equal((await privacy.create(request('q_3', { kind: 'redact' }), { unlessOpen })).requestId, 'q_3')
      await privacy.change('q_1', { status: 'refused', closedAt: minute(1) })
      assert.equal((await privacy.create(request('q_4'), { unlessOpen })).requestId, 'q_4')
      assert.deepEqual(idsOf(await privacy.requests()), ['q_1', 'q_3', 'q_4'])
    })

    test('change where their status allows it, in a unit or by themselves', async (store) => {
      const { privacy } = store
      await privacy.create(request('q_1'))
      const approved = await privacy.change(
        'q_1',
        { status: 'approved', approvedBy: 'boss', approvedAt: minute(2), waitingFor: [] },
        { from: ['requested'] },
      )
      assert.deepEqual([approved?.status, approved?.approvedBy, approved?.approvedAt], ['approved', 'boss', minute(2)])
      assert.equal(await privacy.change('q_1', { status: 'refused' }, { from: ['requested'] }), null)
      assert.equal(await privacy.change('q_other', { status: 'refused' }), null)
      assert.deepEqual(await privacy.change('q_1', {}), approved)
      await assert.rejects(
        inUnit(store, async (unit) => {
          const frozen = await privacy.change('q_1', { status: 'frozen', reason: null }, { unit })
          assert.deepEqual([frozen?.status, frozen?.reason], ['frozen', null])
          assert.equal((await privacy.request('q_1', unit))?.status, 'frozen')
          throw new Error('stop')
        }),
        /stop/,
      )
      assert.deepEqual(await privacy.request('q_1'), approved)
    })
  })

  api.describe(`holds on ${backend.name}`, () => {
    test('are in force until they are released or their time is over', async (store) => {
      const { privacy } = store
      const filter = { status: { in: ['open', 'Grüße 🦉'] } }
      const typed = hold('h_2', { entityId: null, entityType: 'loan', filter, placedAt: minute(1), until: minute(10) })
      await privacy.addHold(typed)
      await privacy.addHold(hold('h_1'))
      const inForce = async (at: string): Promise<string[]> => (await privacy.holds({ at })).map((row) => row.holdId)
      assert.deepEqual(await privacy.holds(), [hold('h_1'), typed])
      assert.deepEqual(await inForce(minute(9)), ['h_1', 'h_2'])
      assert.deepEqual(await inForce(minute(10)), ['h_1'])
      assert.equal((await privacy.releaseHold('h_1', minute(5)))?.releasedAt, minute(5))
      assert.equal(await privacy.releaseHold('h_1', minute(6)), null)
      assert.equal(await privacy.releaseHold('h_0', minute(6)), null)
      assert.deepEqual(await inForce(minute(6)), ['h_2'])
      assert.deepEqual(await inUnit(store, (unit) => privacy.holds({ at: minute(11), unit })), [])
      // They stay on record.
      assert.deepEqual(
        (await privacy.holds()).map(({ holdId, releasedAt }) => [holdId, releasedAt]),
        [
          ['h_1', minute(5)],
          ['h_2', null],
        ],
      )
    })
  })

  if (backend.shared) {
    api.describe(`holds of two processes on ${backend.name}`, () => {
      api.it('nobody adds one while another unit has looked at them', async () => {
        const space = await backend.space()
        try {
          const [store, other] = await Promise.all([space.open(), space.open()])
          let adding: Promise<void> = Promise.resolve()
          await inUnit(store, async (unit) => {
            assert.deepEqual(await store.privacy.holds({ unit }), [])
            adding = other.privacy.addHold(hold('h_1'))
            assert.deepEqual(await store.privacy.holds({ unit }), [])
          })
          await adding
          assert.equal((await store.privacy.holds()).length, 1)
          await store.close()
          await other.close()
        } finally {
          await space.dispose()
        }
      })
    })
  }

  api.describe(`the journal of erasures on ${backend.name}`, () => {
    test('holds what was frozen and how far its stores are', async (store) => {
      const { privacy } = store
      const frozen = erasure('q_1', {
        stores: { cold: PENDING, ledger: { ...PENDING, state: 'done', action: 'deleted' } },
      })
      await inUnit(store, (unit) => privacy.freeze(unit, frozen))
      assert.deepEqual(await privacy.erasure('q_1'), frozen)
      assert.equal(await privacy.erasure('q_2'), undefined)
      const done: StoreState = {
        state: 'done',
        action: 'rewritten',
        items: 3,
        error: 'E_UNREACHABLE',
        attempts: 2,
        verified: { method: 'scan', remaining: 0 },
        outstanding: [{ store: 'backup:nightly', reason: 'cannot be changed', until: minute(59) }],
        at: minute(4),
      }
      await privacy.setStore('q_1', 'cold', done)
      await privacy.setStore('q_1', 'exports', PENDING)
      assert.deepEqual((await privacy.erasure('q_1'))?.stores, { ...frozen.stores, cold: done, exports: PENDING })
    })

    test('is frozen anew before the pivot, and not after it', async (store) => {
      const { privacy } = store
      await inUnit(store, (unit) => privacy.freeze(unit, erasure('q_1', { stores: { cold: PENDING } })))
      const wider = erasure('q_1', { digests: ['d1', 'd2', 'd9'], ledgerHead: 9, stores: { ledger: PENDING } })
      await inUnit(store, (unit) => privacy.freeze(unit, wider))
      assert.deepEqual(await privacy.erasure('q_1'), wider)
      const counts = { entities: 2, eventsDeleted: 9, eventsScrubbed: 0, mergeLog: 0, fields: 0 }
      await inUnit(store, async (unit) => {
        await privacy.changeErasure('q_1', { pivotAt: minute(3), counts }, unit)
        assert.equal((await privacy.erasure('q_1', unit))?.pivotAt, minute(3))
      })
      await assert.rejects(
        inUnit(store, (unit) => privacy.freeze(unit, erasure('q_1'))),
        (error) => error instanceof ConflictError && error.code === 'E_PAST_PIVOT',
      )
      assert.deepEqual(await privacy.erasure('q_1'), { ...wider, pivotAt: minute(3), counts })
      await assert.rejects(privacy.changeErasure('q_2', { ledgerHead: 1 }), NotFoundError)
    })

    test('is open until its request is closed, oldest first', async (store) => {
      const { privacy } = store
      await privacy.create(request('q_1'))
      for (const [requestId, at] of [
        ['q_2', minute(2)],
        ['q_1', minute(1)],
      ] as const) {
        const stores = { ledger: PENDING, cold: PENDING }
        await inUnit(store, (unit) => privacy.freeze(unit, erasure(requestId, { startedAt: at, stores })))
      }
      assert.deepEqual(idsOf(await privacy.openErasures()), ['q_1', 'q_2'])
      await closed(store, 'q_1', 'c_1')
      assert.deepEqual(idsOf(await privacy.openErasures()), ['q_2'])
    })
  })

  api.describe(`certificates on ${backend.name}`, () => {
    test('end a request: nobody can be recognized by what is left', async (store) => {
      const { privacy } = store
      await privacy.create(request('q_1', { status: 'verifying', approvedBy: 'boss', waitingFor: ['store:cold'] }))
      await inUnit(store, (unit) => privacy.freeze(unit, erasure('q_1', { stores: { cold: PENDING } })))
      const row = await closed(store, 'q_1', 'c_1')
      assert.deepEqual(await privacy.certificates(), [row])
      assert.deepEqual(await privacy.certificates({ requestId: 'q_1' }), [row])
      assert.deepEqual(await privacy.certificates({ requestId: 'q_2' }), [])
      const blank = { reason: null, requestedBy: null, approvedBy: null, receipt: null, waitingFor: [], retryAt: null }
      assert.deepEqual(
        await privacy.request('q_1'),
        request('q_1', { status: 'closed', closedAt: minute(9), ...blank }),
      )
      const lists = { entities: [], digests: [], eventDigests: [], emptied: [], treated: [], exports: [] }
      assert.deepEqual(
        await privacy.erasure('q_1'),
        erasure('q_1', { ...lists, closedAt: minute(9), stores: { cold: PENDING } }),
      )
      await assert.rejects(closed(store, 'q_1', 'c_2'), NotFoundError)
      assert.equal((await privacy.certificates()).length, 1)
    })

    test('follow each other', async (store) => {
      const { privacy } = store
      const last = (): Promise<string> => inUnit(store, (unit) => privacy.lastHash(unit))
      assert.equal(await last(), FIRST)
      for (const requestId of ['q_1', 'q_2']) await privacy.create(request(requestId))
      const first = await closed(store, 'q_1', 'c_1')
      assert.equal(await last(), first.hash)
      const aside = certificate('c_3', { requestId: 'q_2' })
      await assert.rejects(
        inUnit(store, (unit) => privacy.close(unit, 'q_2', aside, minute(9))),
        ConflictError,
      )
      assert.equal((await privacy.request('q_2'))?.status, 'requested')
      const second = await closed(store, 'q_2', 'c_0')
      assert.deepEqual([second.previous, await privacy.certificates()], [first.hash, [first, second]])
    })

    test('of a lost time are taken over once, and the request may be done again', async (store) => {
      const { privacy } = store
      await privacy.create(request('q_1'))
      const lost = [certificate('c_1'), certificate('c_2', { requestId: 'q_9', previous: certificate('c_1').hash })]
      await inUnit(store, (unit) => privacy.adopt(unit, lost))
      await inUnit(store, (unit) => privacy.adopt(unit, lost))
      assert.deepEqual(await privacy.certificates(), lost)
      const again = await closed(store, 'q_1', 'c_3')
      assert.deepEqual(await privacy.certificates({ requestId: 'q_1' }), [lost[0], again])
      assert.equal(again.previous, lost[1]?.hash)
    })

    test('are known by their ids; the newest can be asked for', async (store) => {
      const { privacy } = store
      for (const n of [1, 2, 3]) {
        await privacy.create(request(`q_${n}`))
        await closed(store, `q_${n}`, `c_${n}`)
      }
      assert.deepEqual([...(await privacy.knownCertificates(['c_1', 'c_9', 'c_3']))].sort(), ['c_1', 'c_3'])
      const newest = await privacy.certificates({ newest: 2 })
      assert.deepEqual(
        newest.map((row) => row.certificateId),
        ['c_2', 'c_3'],
      )
    })

    if (backend.shared) {
      api.it('of two processes at once are one chain', async () => {
        const space = await backend.space()
        try {
          const stores = await Promise.all([space.open(), space.open()])
          const names = Array.from({ length: 20 }, (_, i) => `q_${String(i).padStart(2, '0')}`)
          for (const name of names) await (stores[0] as Store).privacy.create(request(name))
          await Promise.all(names.map((name, i) => closed(stores[i % 2] as Store, name, `c_${name}`)))
          const chain = await (stores[0] as Store).privacy.certificates()
          assert.deepEqual(
            chain.map(({ previous }) => previous),
            [FIRST, ...chain.slice(0, -1).map(({ hash }) => hash)],
          )
          assert.equal(chain.length, names.length)
          for (const store of stores) await store.close()
        } finally {
          await space.dispose()
        }
      })
    }
  })

  api.describe(`secrets and notes on ${backend.name}`, () => {
    test('a secret is made once; notes are replaced', async (store) => {
      const { privacy } = store
      const made = await privacy.secret('redaction_key', () => new Uint8Array([0, 255, 7]))
      assert.deepEqual([...made], [0, 255, 7])
      assert.deepEqual([...(await privacy.secret('redaction_key', () => assert.fail('it exists')))], [0, 255, 7])
      assert.equal(await privacy.note('redaction_key'), null)
      await privacy.putNote('redaction_key', 'Grüße 🦉')
      await inUnit(store, (unit: Unit) => privacy.putNote('scrubbed', minute(1), unit))
      await privacy.putNote('scrubbed', minute(2))
      assert.deepEqual(
        [await privacy.note('redaction_key'), await privacy.note('scrubbed'), await privacy.note('other')],
        ['Grüße 🦉', minute(2), null],
      )
    })

    if (backend.shared) {
      api.it('all processes have the same secret, whoever is first', async () => {
        const space = await backend.space()
        try {
          const stores = await Promise.all([space.open(), space.open(), space.open()])
          const found = await Promise.all(
            stores.map((store, i) => store.privacy.secret('redaction_key', () => new Uint8Array([i]))),
          )
          assert.equal(new Set(found.map(String)).size, 1)
          for (const store of stores) await store.close()
        } finally {
          await space.dispose()
        }
      })
    }
  })
}
