/** Requests to erase and redact: who asked, who approved, what a second one is (spec 10 §10.1). */
import { expect, test } from 'vitest'
import { ApprovalRequired, ConfigError, ConflictError, NotFoundError } from '../../src/errors.ts'
import type { Defacto } from '../../src/index.ts'
import { PLACES } from '../support/compliance-space.ts'
import { idOf, RECORDS } from '../support/merging.ts'

async function filled(defacto: Defacto): Promise<Defacto> {
  await defacto.ingest('web', RECORDS as never)
  await defacto.build()
  return defacto
}

for (const { name, describe, space } of PLACES) {
  describe(`requests in ${name}`, () => {
    test('name an entity by its id or a hint, which is stored nowhere', async () => {
      const place = space()
      const defacto = await filled(await place.open())
      const ann = await idOf(defacto, 'ann')
      const { request, receipt, created } = await defacto.erasure.request({ kind: 'erase', hint: 'person.mail=ann' })
      expect(request).toMatchObject({ entityId: ann, status: 'approved', waitingFor: [], receipt: null })
      expect(request.requestId).toMatch(/^q_[0-9a-f]{8}-[0-9a-f]{4}-7/)
      expect([request.requestedAt, request.deadline]).toEqual([
        '2024-06-01T00:00:00+00:00',
        '2024-07-01T00:00:00+00:00',
      ])
      expect([receipt?.length, created]).toEqual([43, true])
      expect(JSON.stringify(await defacto.erasure.list())).not.toContain('"ann"')
    })

    test('are one while the first is open, and tell their receipt once', async () => {
      const place = space()
      const defacto = await filled(await place.open({ approval: 'required' }))
      const [ann, bob] = [await idOf(defacto, 'ann'), await idOf(defacto, 'bob')]
      const first = await defacto.erasure.request({ kind: 'erase', entityId: ann, requestedBy: 'desk' })
      const second = await defacto.erasure.request({ kind: 'erase', hint: 'person.mail=ann', requestedBy: 'other' })
      expect(second).toMatchObject({ created: false, receipt: null })
      expect(second.request).toEqual(first.request)
      const other = await defacto.erasure.request({ kind: 'redact', entityId: ann, requestedBy: 'desk' })
      expect(other.created).toBe(true)
      // Whoever became one with the subject of a request is its subject, too.
      await defacto.merge(bob, ann, { reason: 'the same person' })
      const third = await defacto.erasure.request({ kind: 'erase', entityId: bob, requestedBy: 'desk' })
      expect(third.request.requestId).toBe(first.request.requestId)
      expect(JSON.stringify([await defacto.erasure.list(), second, third])).not.toContain(first.receipt)
    })

    test('of two processes for one person are one', async () => {
      const place = space()
      const [one, two] = [await filled(await place.open()), await place.open()]
      const entityId = await idOf(one, 'ann')
      const made = await Promise.all(
        [one, two, one, two].map((defacto) => defacto.erasure.request({ kind: 'erase', entityId })),
      )
      expect(new Set(made.map(({ request }) => request.requestId)).size).toBe(1)
      expect(made.filter(({ receipt }) => receipt !== null).length).toBe(1)
    })

    test('say what is wrong with them', async () => {
      const place = space()
      const defacto = await filled(await place.open({ approval: 'required' }))
      const entityId = await idOf(defacto, 'ann')
      const request = (input: object): Promise<unknown> =>
        defacto.erasure.request({ kind: 'erase', requestedBy: 'desk', ...input })
      await expect(request({ entityId: 'nobody' })).rejects.toThrow(NotFoundError)
      await expect(request({ hint: 'person.mail=zoe' })).rejects.toThrow(NotFoundError)
      await expect(request({ hint: 'person.mail=zoe' })).rejects.not.toThrow('zoe')
      await expect(request({ hint: 'persn.mail=ann' })).rejects.toThrow("did you mean 'person'")
      await expect(request({ hint: 'person.mial=ann' })).rejects.toThrow("did you mean 'mail'")
      await expect(request({ hint: 'ann' })).rejects.toThrow(ConfigError)
      await expect(request({})).rejects.toThrow(ConfigError)
      await expect(request({ entityId, hint: 'person.mail=ann' })).rejects.toThrow(ConfigError)
      await expect(defacto.erasure.request({ kind: 'erase', entityId })).rejects.toThrow('requestedBy')
      expect(await defacto.erasure.list()).toEqual([])
    })

    test('wait for the approval of somebody else', async () => {
      const place = space()
      const defacto = await filled(await place.open({ approval: 'required' }))
      const entityId = await idOf(defacto, 'ann')
      const { request } = await defacto.erasure.request({ kind: 'erase', entityId, requestedBy: 'Desk' })
      const { requestId } = request
      expect(request).toMatchObject({ status: 'requested', waitingFor: ['approval'], approvedAt: null })
      expect(await defacto.erasure.run([requestId])).toMatchObject([{ status: 'requested', done: false }])
      expect(await idOf(defacto, 'ann')).toBe(entityId)
      const approve = (by: string): Promise<unknown> => defacto.erasure.approve(requestId, { by })
      await expect(approve(' desk ')).rejects.toThrow(ApprovalRequired)
      await expect(approve(' ')).rejects.toThrow(ConfigError)
      await expect(defacto.erasure.approve('q_0', { by: 'boss' })).rejects.toThrow(NotFoundError)
      place.clock.set('+1d')
      expect(await approve('boss')).toMatchObject({
        status: 'approved',
        approvedBy: 'boss',
        approvedAt: '2024-06-02T00:00:00+00:00',
        waitingFor: [],
      })
      // Again, by whomever: as it was.
      expect(await approve('desk')).toMatchObject({ approvedBy: 'boss' })
      expect(await defacto.erasure.run([requestId])).toMatchObject([{ status: 'closed', done: true }])
      expect(await defacto.erasure.status(requestId)).toMatchObject({
        approvedBy: null,
        requestedBy: null,
        reason: null,
        approvedAt: '2024-06-02T00:00:00+00:00',
      })
    })

    test('are refused until something has changed, and not after', async () => {
      const place = space()
      const defacto = await filled(await place.open())
      const entityId = await idOf(defacto, 'ann')
      const refuse = (requestId: string): Promise<unknown> =>
        defacto.erasure.refuse(requestId, { by: 'boss', reason: 'kept by law' })
      const first = await defacto.erasure.request({ kind: 'erase', entityId })
      expect(await refuse(first.request.requestId)).toMatchObject({ status: 'refused', reason: 'kept by law' })
      expect(await refuse(first.request.requestId)).toMatchObject({ status: 'refused' })
      await expect(defacto.erasure.approve(first.request.requestId, { by: 'boss' })).rejects.toThrow(ConflictError)
      expect(await defacto.erasure.run([first.request.requestId])).toMatchObject([{ status: 'refused', done: true }])
      expect(await idOf(defacto, 'ann')).toBe(entityId)

      const second = await defacto.erasure.request({ kind: 'erase', entityId })
      expect(second.created).toBe(true)
      await defacto.erasure.run([second.request.requestId])
      await expect(refuse(second.request.requestId)).rejects.toMatchObject({ code: 'E_PAST_PIVOT' })
      await expect(refuse('q_0')).rejects.toThrow(NotFoundError)
    })

    test('are not begun where nobody could certify them', async () => {
      const place = space()
      const defacto = await filled(await place.open({ signingKey: 'no key' }))
      const entityId = await idOf(defacto, 'ann')
      await expect(defacto.erase(entityId)).rejects.toMatchObject({ code: 'E_CONFIG_SIGNING_KEY' })
      expect(await defacto.erasure.list()).toEqual([])
      expect(await idOf(defacto, 'ann')).toBe(entityId)
    })
  })
}
