/** What an expression reads, for checks of definitions and for finding the sources of a value. */
import { childrenOf, type Node } from './ast.ts'

export interface Read {
  readonly root: 'event' | 'entity' | 'value'
  /** Steps after the root; empty if the whole root is read. A constant text index counts as a step. */
  readonly path: string[]
}

/** Every path in the tree, in order of appearance, repetitions included. Unknown roots are left out. */
export function reads(node: Node): Read[] {
  const path = pathOf(node)
  if (path !== null) return [path]
  return childrenOf(node).flatMap(reads)
}

function pathOf(node: Node): Read | null {
  if (node.kind === 'index' && node.index.kind === 'literal' && typeof node.index.value === 'string') {
    const object = pathOf(node.object)
    return object && { root: object.root, path: [...object.path, node.index.value] }
  }
  if (node.kind !== 'path') return null
  const { root } = node
  if (root !== 'event' && root !== 'entity' && root !== 'value') return null
  return { root, path: [...node.path] }
}
