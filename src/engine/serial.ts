/** Runs asynchronous jobs one after the other, in the order of the calls (spec 09 §1). A failed job stops no other. */
export class Serial {
  #tail: Promise<unknown> = Promise.resolve()

  run<T>(job: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(job, job)
    this.#tail = result.catch(() => undefined)
    return result
  }

  /** Resolves when everything queued so far is done. */
  async idle(): Promise<void> {
    await this.#tail
  }
}
