/** Which process holds something, and whether it still lives (spec 10 §4.4). */
import { execFileSync } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Holder } from '../../ports/store.ts'

/**
 * True only if the holder ran on this machine, in this process namespace, and is certainly gone: no such process, one that
 * has ended and only waits to be forgotten by its parent, or a younger one with its number. False whenever that cannot be
 * known.
 */
export function isDead(holder: Holder): boolean {
  if (holder.host !== hostname() || holder.startedAt === '') return false
  const [place, start] = split(holder.startedAt)
  const [here] = split(processStartTime(process.pid) ?? '')
  if (place !== here) {
    // Another boot of this machine ends all its processes; another namespace hides them.
    return bootOf(place) !== '' && bootOf(here) !== '' && bootOf(place) !== bootOf(here)
  }
  const now = processStartTime(holder.pid)
  if (now === null) return !exists(holder.pid)
  return split(now)[1] !== start || hasEnded(holder.pid)
}

/** `<boot>/<namespace> <start>` of a process, or null if there is none (or it cannot be seen). */
export function processStartTime(pid: number): string | null {
  return procStart(pid) ?? psStart(pid)
}

function procStart(pid: number): string | null {
  try {
    const ticks = procFields(pid)[19]
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
    return `${boot}/${readlinkSync('/proc/self/ns/pid')} ${ticks}`
  } catch {
    return null
  }
}

function psStart(pid: number): string | null {
  const text = ps('lstart', pid)
  return text === '' ? null : `/ ${text.replaceAll(/\s+/g, ' ')}`
}

/** Whether the process is a zombie: killed, but its parent has not asked for its outcome. In containers it may never. */
function hasEnded(pid: number): boolean {
  try {
    return /^[ZX]/.test(procFields(pid)[0] ?? '')
  } catch {
    return ps('stat', pid).startsWith('Z')
  }
}

/** Fields of `/proc/<pid>/stat` from the third on: state first, start time (field 22) at 19. */
function procFields(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  // The second field is the program name in brackets and may contain anything.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** One field of `ps`; empty if there is no such process, or no `ps`. */
function ps(field: string, pid: number): string {
  try {
    const env = { ...process.env, LC_ALL: 'C' }
    return execFileSync('ps', ['-o', `${field}=`, '-p', String(pid)], { encoding: 'latin1', stdio: 'pipe', env }).trim()
  } catch {
    return ''
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // A process we may not signal exists.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

function split(text: string): [place: string, start: string] {
  const at = text.indexOf(' ')
  return [text.slice(0, at), text.slice(at + 1)]
}

function bootOf(place: string): string {
  return place.slice(0, place.indexOf('/'))
}
