/** How the temporary files of this process are named, and whether those of others are still somebody's. */
import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import { isDead, processStartTime } from './adapters/host/process-identity.ts'

/** Structurally what writers of files ask for (`adapters/files/whole-file.ts`). */
export interface Owner {
  readonly name: string
  isGone(name: string): boolean
}

/**
 * Processes of one boot of one machine can be asked for; `place` is the same for them alone. Elsewhere a process is not
 * known to be gone.
 */
export function fileOwner(): Owner {
  const [place = '', start = ''] = (processStartTime(process.pid) ?? '').split(' ')
  const here = createHash('sha256').update(`${hostname()} ${place}`).digest('hex').slice(0, 8)
  return {
    name: `${here}-${process.pid}-${start.replaceAll(/\W/g, '') || '0'}`,
    isGone(name) {
      const [where, pid, began] = name.split('-')
      if (where !== here || place === '') return false
      return isDead({ host: hostname(), pid: Number(pid), startedAt: `${place} ${began}`, purpose: 'export' })
    },
  }
}
