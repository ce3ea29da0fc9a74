import { expect, test } from 'vitest'
import { oracle } from '../oracle/oracle.ts'
import { ownedThings, ownershipCases } from '../support/owned-things.ts'
import { END, inFolder, Player } from '../support/scenario.ts'
import { sorted } from '../support/world.ts'

test.each(ownershipCases)('%s', async (_title, records) => {
  const deliveries = records.map((record) => ({ source: 'main', record }))
  const expected = sorted(oracle(ownedThings, deliveries, Date.parse(END)).world)
  // Several seeds: which of two ids survives is a matter of their order.
  for (let seed = 0; seed < 6; seed += 1) {
    await inFolder(async (folder) => {
      const player = new Player(ownedThings, { database: `${folder}/defacto.db` }, seed)
      await player.open({})
      for (const delivery of deliveries) await player.ingest([delivery], true)
      const outcome = await player.finish()
      await player.close()
      expect(outcome.world).toEqual(expected)
    })
  }
})
