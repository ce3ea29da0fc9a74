/** Union-find over small integers, in compact memory. */
export class Forest {
  #parents = new Int32Array(1024)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** A new node, alone. */
  add(): number {
    if (this.#size === this.#parents.length) {
      const larger = new Int32Array(this.#parents.length * 2)
      larger.set(this.#parents)
      this.#parents = larger
    }
    this.#parents[this.#size] = this.#size
    return this.#size++
  }

  /** The root of the node's component: its smallest node. */
  find(node: number): number {
    const parents = this.#parents
    let at = node
    while (parents[at] !== at) {
      const up = parents[parents[at] as number] as number
      parents[at] = up
      at = up
    }
    return at
  }

  union(a: number, b: number): void {
    const x = this.find(a)
    const y = this.find(b)
    if (x < y) this.#parents[y] = x
    else this.#parents[x] = y
  }
}
