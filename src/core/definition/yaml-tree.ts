/**
 * One YAML 1.2 text as plain data that remembers its places (spec 01 §1.2): anchors, `<<` merge keys, scalar keys taken
 * as text, duplicate keys reported. Aliases share what they name, so a text cannot grow by them; what they would amount
 * to when written out is limited all the same.
 */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type Scalar,
} from 'yaml'

/** A finding about the text itself; `offset` into the text. */
export interface TextFault {
  code: 'E01' | 'E32'
  message: string
  line: number
  column: number
}

/** Offsets of the entries of one map or list. */
export interface Marks {
  key: Map<string | number, number>
  value: Map<string | number, number>
}

export interface YamlTree {
  /** Plain data; undefined for an empty text or one that does not parse. */
  value: unknown
  faults: TextFault[]
  marks: WeakMap<object, Marks>
  position(offset: number): { line: number; column: number }
}

/** Values a text may amount to with all aliases written out. */
const MAX_EXPANDED = 1_000_000

/** Parses one document. Never throws. */
export function parseYamlTree(text: string): YamlTree {
  const lines = new LineCounter()
  const position = (offset: number): { line: number; column: number } => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const tree: YamlTree = { value: undefined, faults: [], marks: new WeakMap(), position }
  const fault = (code: TextFault['code'], message: string, offset: number): void => {
    tree.faults.push({ code, message, ...position(offset) })
  }
  try {
    const document = parseDocument(text, {
      version: '1.2',
      merge: true,
      uniqueKeys: false,
      prettyErrors: false,
      logLevel: 'error',
      lineCounter: lines,
    })
    for (const error of document.errors) fault('E32', `cannot read the file: ${error.message}`, error.pos[0])
    if (document.errors.length === 0) new Converter(document, tree, fault).run()
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    fault('E32', 'cannot read the file: it is nested too deeply', 0)
  }
  return tree
}

class Converter {
  readonly #document: Document.Parsed
  readonly #tree: YamlTree
  readonly #fault: (code: TextFault['code'], message: string, offset: number) => void
  readonly #anchors = new Map<string, Node>()
  readonly #done = new Map<Node, unknown>()
  readonly #sizes = new Map<Node, number>()
  readonly #open = new Set<Node>()

  constructor(
    document: Document.Parsed,
    tree: YamlTree,
    fault: (code: TextFault['code'], message: string, offset: number) => void,
  ) {
    this.#document = document
    this.#tree = tree
    this.#fault = fault
  }

  run(): void {
    const root = this.#document.contents
    if (root === null) return
    const value = this.#convert(root)
    if ((this.#sizes.get(root) ?? 1) <= MAX_EXPANDED) this.#tree.value = value
    else this.#fault('E32', `cannot read the file: its aliases amount to more than ${MAX_EXPANDED} values`, 0)
  }

  #convert(node: unknown): unknown {
    if (!isScalar(node) && !isAlias(node) && !isMap(node) && !isSeq(node)) return null
    if (isAlias(node)) return this.#alias(node.source, start(node))
    if (node.anchor) this.#anchors.set(node.anchor, node)
    if (isScalar(node)) return scalarValue(node)
    this.#open.add(node)
    const value = isSeq(node) ? this.#list(node) : this.#map(node)
    this.#open.delete(node)
    this.#done.set(node, value)
    return value
  }

  /** What an alias names: the last node before it with that anchor. */
  #target(name: string, offset: number): Node | null {
    const node = this.#anchors.get(name)
    if (node === undefined || this.#open.has(node)) {
      const why = node === undefined ? 'is not an anchor' : 'contains itself'
      this.#fault('E32', `cannot read the file: alias '*${name}' ${why}`, offset)
      return null
    }
    return node
  }

  #alias(name: string, offset: number): unknown {
    const node = this.#target(name, offset)
    if (node === null) return null
    return isScalar(node) ? scalarValue(node) : this.#done.get(node)
  }

  #sizeOf(node: unknown): number {
    if (isAlias(node)) {
      const target = this.#anchors.get(node.source)
      return target === undefined ? 1 : (this.#sizes.get(target) ?? 1)
    }
    return this.#sizes.get(node as Node) ?? 1
  }

  #list(node: Node & { items: unknown[] }): unknown[] {
    const marks: Marks = { key: new Map(), value: new Map() }
    let size = 1
    const list = node.items.map((item, i) => {
      marks.value.set(i, start(item))
      const value = this.#convert(item)
      size += this.#sizeOf(item)
      return value
    })
    this.#sizes.set(node, size)
    this.#tree.marks.set(list, marks)
    return list
  }

  #map(node: Node & { items: { key: unknown; value: unknown }[] }): Record<string, unknown> {
    const entries = new Map<string, { value: unknown; key: number; at: number }>()
    const merged: { value: unknown; offset: number }[] = []
    let size = 1
    for (const { key, value } of node.items) {
      const offset = start(key)
      const name = this.#keyText(key)
      const converted = this.#convert(value)
      size += this.#sizeOf(value)
      if (name === null) this.#fault('E01', 'expected a text as key', offset)
      else if (isMergeKey(key)) merged.push({ value: converted, offset })
      else if (entries.has(name)) {
        const first = this.#tree.position(entries.get(name)!.key).line
        this.#fault('E32', `Duplicate key '${name}': it stands in line ${first} of this file already`, offset)
      } else entries.set(name, { value: converted, key: offset, at: isScalar(value) ? start(value) : offset })
    }
    for (const { value, offset } of merged) this.#merge(entries, value, offset)
    const marks: Marks = { key: new Map(), value: new Map() }
    const map: Record<string, unknown> = {}
    for (const [name, entry] of entries) {
      // `__proto__` has to become an ordinary key, so that it can be reported.
      Object.defineProperty(map, name, { value: entry.value, enumerable: true, writable: true, configurable: true })
      marks.key.set(name, entry.key)
      marks.value.set(name, entry.at)
    }
    this.#sizes.set(node, size)
    this.#tree.marks.set(map, marks)
    return map
  }

  /** Keys of the map's own win, then the earlier of several merged maps. */
  #merge(entries: Map<string, { value: unknown; key: number; at: number }>, value: unknown, offset: number): void {
    for (const source of Array.isArray(value) ? value : [value]) {
      if (typeof source !== 'object' || source === null || Array.isArray(source)) {
        this.#fault('E01', "expected a map, or a list of maps, behind '<<'", offset)
        continue
      }
      const marks = this.#tree.marks.get(source)
      for (const [name, member] of Object.entries(source)) {
        if (entries.has(name)) continue
        entries.set(name, {
          value: member,
          key: marks?.key.get(name) ?? offset,
          at: marks?.value.get(name) ?? offset,
        })
      }
    }
  }

  #keyText(key: unknown): string | null {
    if (key === null) return ''
    if (isAlias(key)) {
      const target = this.#target(key.source, start(key))
      return isScalar(target) ? scalarText(target) : null
    }
    if (!isScalar(key)) return null
    if (key.anchor) this.#anchors.set(key.anchor, key)
    return scalarText(key)
  }
}

function isMergeKey(key: unknown): boolean {
  // Quoted, it is a name like any other.
  return isScalar(key) && key.source === '<<' && key.type === 'PLAIN'
}

/** A scalar key as the user wrote it: `1.0` stays `1.0`. */
function scalarText(node: Scalar): string {
  return node.type === 'PLAIN' ? (node.source ?? '') : String(node.value)
}

function scalarValue(node: Scalar): unknown {
  const { value } = node
  return value === undefined || typeof value === 'symbol' ? (node.source ?? null) : value
}

function start(node: unknown): number {
  return (node as Node | null)?.range?.[0] ?? 0
}
