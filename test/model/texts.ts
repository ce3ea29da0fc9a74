/** What `docs/protocol` says, for tests that compare it with model and code. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Configuration } from './state.ts'

const FOLDER = join(import.meta.dirname, '..', '..', 'docs', 'protocol')

export const protocolText = (name: string): string => readFileSync(join(FOLDER, name), 'utf8')
export const protocolFile = (name: string): string => join(FOLDER, name)

/** Rows of the table under a heading, without its head; code marks removed. */
export function table(heading: string): string[][] {
  const [, section] = protocolText('README.md').split(`## ${heading}\n`)
  const rows =
    (section ?? '')
      .split('\n## ')[0]
      ?.split('\n')
      .filter((line) => line.startsWith('|')) ?? []
  return rows.slice(2).map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', '')),
  )
}

/** Measured figures of the README, by configuration. */
export function figures(): Map<string, { states: number; depth: number }> {
  const number = (cell = ''): number => Number(cell.replaceAll(' ', ''))
  return new Map(
    table('Figures').map(([name = '', , states, depth]) => [name, { states: number(states), depth: number(depth) }]),
  )
}

/** Names of the actions of the TLA+ text. */
export function tlaActions(): Set<string> {
  const [, next] = protocolText('defacto.tla').split('\nFair ==\n')
  const names = (next ?? '').split('\nNext ==')[0]?.matchAll(/\b([A-Z][A-Za-z]+)(?=\(p\)|\s|$)/g) ?? []
  return new Set(
    [...names].map(([, name]) => name as string).filter((name) => name !== 'Procs' && name !== 'Environment'),
  )
}

const INVARIANTS =
  'TypesOk NoHintToLoser NoEventOfLoser ValidMergePairs MemoryOwned OneOwner NoGap NoResurrection NoLoserInMemory AcyclicMerges SingleWinner'
const PROPERTIES = 'CursorMonotone MappedMonotone'

/** Whether TLC can check the claim without temporal logic. */
export const isSafety = (claim: string): boolean => `${INVARIANTS} ${PROPERTIES}`.split(' ').includes(claim)

/** TLC's configuration file of a world. `claim`: check this one alone. */
export function cfg(configuration: Configuration, options: { liveness: boolean; claim?: string }): string {
  const { budgets, broken = 'none' } = configuration
  const flag = (value: boolean): string => (value ? 'TRUE' : 'FALSE')
  const constants = {
    NShards: configuration.shards,
    NProcs: configuration.processes.length,
    MaxEvents: configuration.events,
    NHints: configuration.hints,
    MaxIds: configuration.ids,
    Width: configuration.width,
    Crashes: budgets.crashes,
    Merges: budgets.merges,
    Erases: budgets.erases,
    Resets: budgets.resets,
    Fulls: budgets.fulls,
    Takeovers: budgets.takeovers,
    HeadLock: flag(configuration.headLock),
    Exclusive: flag(configuration.exclusive),
    Broken: `"${broken}"`,
    None: 'None',
  }
  const { claim } = options
  const claims =
    claim === undefined
      ? [`INVARIANTS ${INVARIANTS}`, `PROPERTIES ${PROPERTIES}${options.liveness ? ' ComesToRest' : ''}`]
      : [`${INVARIANTS.split(' ').includes(claim) ? 'INVARIANT' : 'PROPERTY'} ${claim}`]
  const lines = Object.entries(constants).map(([name, value]) => `  ${name} = ${value}`)
  return ['SPECIFICATION Spec', 'CONSTANTS', ...lines, ...claims, ''].join('\n')
}
