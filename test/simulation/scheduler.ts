/**
 * Runs actors one at a time. Every input and output of theirs waits at a gate; the seed says whose gate opens next, which
 * process dies there and which one is stopped. Nothing else decides the order, so a seed repeats its run exactly.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { setImmediate } from 'node:timers/promises'
import type { Random } from './random.ts'

/** What every input and output of a dead process ends with. No source file knows it, so nobody handles it. */
export class Crashed extends Error {
  constructor() {
    super('the process is dead')
  }
}

/** A promise of the system was broken. */
export class Violation extends Error {}

export class Process {
  readonly name: string
  alive = true
  /** Stopped as by SIGSTOP: its gates stay shut. */
  stopped = false

  constructor(name: string) {
    this.name = name
  }
}

interface Actor {
  readonly process: Process
  readonly name: string
  gates: number
  done: boolean
}

interface Gate {
  readonly actor: Actor
  readonly process: Process
  readonly label: string
  ready(): boolean
  open(): void
  refuse(error: Error): void
}

export interface Chances {
  /** Of dying, and of being stopped, at an input or output. */
  readonly crash: number
  readonly stop: number
  /** Of letting the same actor go on. */
  readonly stay: number
}

const QUIET: Chances = { crash: 0, stop: 0, stay: 0 }

export class Scheduler {
  readonly random: Random
  /** Steps so far: the time of this world, in which reads begin and end and rows change. */
  step = 0
  readonly trace: string[] = []
  chances: Chances = QUIET
  /** What a crash and a stop mean outside of the process: its connections end, somebody starts it again. */
  onCrash: (process: Process) => void = () => {}
  onStop: (process: Process) => void = () => {}
  /** Turns of the event loop in which an actor without a gate may still come to one. */
  readonly #patience: number
  readonly #current = new AsyncLocalStorage<Actor>()
  #gates: Gate[] = []
  #actors: Actor[] = []
  #timers: { at: number; run: () => void }[] = []
  #last: Actor | null = null
  #failure: unknown = null
  /** Real work under way, whose end nobody can foresee. */
  #busy = 0
  #idle: (() => void) | null = null

  constructor(random: Random, patience = 4) {
    this.random = random
    this.#patience = patience
  }

  /**
   * One input or output: `effect` happens when the gate opens. `ready`: what it waits for beside that. Outside of actors
   * there are no gates.
   */
  async io<T>(process: Process, label: string, effect: () => T, ready: () => boolean = always): Promise<T> {
    if (!process.alive) throw new Crashed()
    const actor = this.#current.getStore()
    if (actor === undefined) return waited(ready, effect)
    await new Promise<void>((open, refuse) => {
      actor.gates += 1
      this.#gates.push({ actor, process, label, ready, open, refuse })
    })
    return effect()
  }

  /** Does nothing for so many steps. */
  async rest(process: Process, steps: number): Promise<void> {
    let over = false
    this.later(steps, () => {
      over = true
    })
    await this.io(
      process,
      'rest',
      () => undefined,
      () => over,
    )
  }

  /** Work on real files or in real libraries; the next step waits for its end. */
  async real<T>(work: () => Promise<T>): Promise<T> {
    this.#busy += 1
    try {
      return await work()
    } finally {
      this.#busy -= 1
      if (this.#busy === 0) this.#idle?.()
    }
  }

  start(process: Process, name: string, body: () => Promise<void>): void {
    const actor: Actor = { process, name, gates: 0, done: false }
    this.#actors.push(actor)
    void this.#current.run(actor, async () => {
      try {
        await body()
      } catch (error) {
        // Whatever a dying process says on its way is heard by nobody.
        if (process.alive) this.#failure ??= error
      } finally {
        actor.done = true
      }
    })
  }

  /** In so many steps. */
  later(steps: number, run: () => void): void {
    this.#timers.push({ at: this.step + steps, run })
  }

  /** Remembers the first broken promise; the run ends with it whatever the code under test does about the throw. */
  fail(message: string): never {
    const violation = new Violation(message)
    this.#failure ??= violation
    throw violation
  }

  crash(process: Process): void {
    if (!process.alive) return
    process.alive = false
    this.trace.push(`${this.step} ${process.name} dies`)
    this.onCrash(process)
    const shut = this.#gates.filter((gate) => gate.process === process)
    this.#gates = this.#gates.filter((gate) => gate.process !== process)
    for (const gate of shut) {
      gate.actor.gates -= 1
      gate.refuse(new Crashed())
    }
  }

  /** Until nobody has anything to do, or for so many steps. */
  async run(steps: number, chances: Chances): Promise<void> {
    this.chances = chances
    const end = this.step + steps
    while (this.step < end) {
      await this.#quiet()
      this.#check()
      this.#actors = this.#actors.filter((actor) => !actor.done)
      this.#ring()
      const gate = this.#next()
      if (gate === null) {
        if (this.#actors.length === 0) return
        if (this.#timers.length === 0) this.#stuck()
        this.step += 1
        continue
      }
      this.step += 1
      if (this.#disturbed(gate.process)) continue
      this.#open(gate)
    }
  }

  /** Ends all processes, as a power cut does. */
  async cut(): Promise<void> {
    for (const { process } of this.#actors) this.crash(process)
    this.#timers = []
    await this.#quiet()
    this.#actors = []
    this.#check()
  }

  #next(): Gate | null {
    const ready = this.#gates.filter((gate) => !gate.process.stopped && gate.ready())
    if (ready.length === 0) return null
    const same = ready.find(({ actor }) => actor === this.#last)
    return same !== undefined && this.random.chance(this.chances.stay) ? same : this.random.of(ready)
  }

  #disturbed(process: Process): boolean {
    if (this.random.chance(this.chances.crash)) {
      this.crash(process)
      return true
    }
    if (!this.random.chance(this.chances.stop)) return false
    process.stopped = true
    this.trace.push(`${this.step} ${process.name} stops`)
    this.onStop(process)
    this.later(this.random.between(10, 250), () => {
      process.stopped = false
    })
    return true
  }

  #open(gate: Gate): void {
    this.#gates = this.#gates.filter((one) => one !== gate)
    this.#last = gate.actor
    gate.actor.gates -= 1
    this.trace.push(`${this.step} ${gate.actor.name} ${gate.label}`)
    gate.open()
  }

  #ring(): void {
    const due = this.#timers.filter(({ at }) => at <= this.step)
    this.#timers = this.#timers.filter(({ at }) => at > this.step)
    for (const { run } of due) run()
  }

  /** Waits until everybody is at a gate, has ended, or waits for somebody else. */
  async #quiet(): Promise<void> {
    for (let turns = 0; turns < this.#patience; turns += 1) {
      await drained()
      if (this.#busy > 0) {
        await new Promise<void>((idle) => {
          this.#idle = idle
        })
        this.#idle = null
        turns = 0
        continue
      }
      if (this.#actors.every(({ gates, done }) => done || gates > 0)) return
      await setImmediate()
    }
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure
  }

  #stuck(): never {
    const waiting = this.#gates.map(({ actor, label }) => `${actor.name} at '${label}'`)
    throw new Violation(`nobody can go on: ${waiting.join(', ') || 'all wait for each other'}`)
  }
}

const always = (): boolean => true

async function waited<T>(ready: () => boolean, effect: () => T): Promise<T> {
  while (!ready()) await setImmediate()
  return effect()
}

/** Resolves when no promise is left that could go on by itself. */
function drained(): Promise<void> {
  return new Promise((resolve) => {
    process.nextTick(resolve)
  })
}
