/** One line on stderr per stage, with counts and time. */
import type { RunRow } from '../../ports/runs.ts'
import type { Output } from '../output.ts'
import { detailOf, durationOf, endingOf, nameOf } from '../runs/lines.ts'
import { seconds } from '../summary.ts'

export interface Stage {
  readonly stage: string
  readonly ms: number
  readonly detail: string
}

export class Stages {
  readonly done: Stage[] = []
  readonly #output: Output

  constructor(output: Output) {
    this.#output = output
  }

  async run<T>(stage: string, work: () => Promise<T>, detail: (result: T) => string): Promise<T> {
    const started = performance.now()
    const result = await work()
    this.#add({ stage, ms: Math.round(performance.now() - started), detail: detail(result) })
    return result
  }

  /** A step of the pipeline that has ended. */
  readonly step = (run: RunRow): void => {
    const good = run.status === 'succeeded' || run.status === 'coalesced'
    this.#add({ stage: nameOf(run), ms: durationOf(run) ?? 0, detail: good ? detailOf(run) : endingOf(run) })
  }

  #add(stage: Stage): void {
    this.done.push(stage)
    this.#output.note(`${stage.stage.padEnd(16)}${stage.detail.padEnd(70)} ${seconds(stage.ms)}`)
  }
}
