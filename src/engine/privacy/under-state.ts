/** The whole state, for what erasures change in it. */
import { LockHeld } from '../../errors.ts'
import { type Slot, waitForOthers, withWholeState } from '../slot.ts'
import type { PrivacyCall, PrivacyContext } from './context.ts'

/**
 * Runs `work` while holding the whole state, with no reset half-way: whoever holds it is asked to hand over, and a reset that
 * was interrupted is finished first.
 */
export async function underState(
  context: PrivacyContext,
  call: PrivacyCall,
  work: (slot: Slot) => Promise<void>,
): Promise<void> {
  const { engine } = context
  for (;;) {
    const done = await withWholeState(
      engine,
      'erase',
      call.signal,
      async () => false,
      async (slot) => {
        if ((await engine.store.mapping.state()).phase !== 'idle') return false
        await work(slot)
        return true
      },
    )
    if (done === true) return
    try {
      await context.interpret(call.signal)
    } catch (error) {
      if (!(error instanceof LockHeld)) throw error
      await waitForOthers(engine, call.signal)
    }
  }
}
