/** Paths into a definition set: as segments while checking, as text in issues (`entities.member.states.open.after[0]`). */

export type Path = readonly (string | number)[]

const PLAIN = /^[^.[\]"\s\p{Cc}]+$/u

/** Text of a path. Segments that could be misread are quoted: `sources.kiosk.events["a.b"]`. */
export function pathText(path: Path): string {
  let text = ''
  for (const segment of path) {
    if (typeof segment === 'number') text += `[${segment}]`
    else if (!PLAIN.test(segment)) text += `[${JSON.stringify(segment)}]`
    else text += text === '' ? segment : `.${segment}`
  }
  return text
}

/** The segments of a text made by `pathText`; null if it is not one. */
export function parsePath(text: string): Path | null {
  const path: (string | number)[] = []
  const step = /(?:^|\.)([^.[\]"\s\p{Cc}]+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]/guy
  while (step.lastIndex < text.length) {
    const match = step.exec(text)
    if (!match) return null
    if (match[1] !== undefined) path.push(match[1])
    else if (match[2] !== undefined) path.push(Number(match[2]))
    else path.push(JSON.parse(match[3]!) as string)
  }
  return path
}

const KINDS = new Map([
  ['entities', 'entity'],
  ['sources', 'source'],
  ['schemas', 'schema'],
  ['pipelines', 'pipeline'],
  ['states', 'state'],
  ['when', 'handler'],
  ['always', 'always handler'],
  ['properties', 'property'],
  ['identity', 'identity field'],
  ['events', 'event'],
  ['mappings', 'mapping'],
  ['hints', 'hints for'],
  ['fields', 'field'],
  ['inputs', 'input'],
  ['checks', 'check'],
  ['freshness', 'freshness of'],
])
const LISTS = new Map([
  ['after', 'time rule'],
  ['effects', 'effect'],
  ['relationships', 'relationship'],
  ['steps', 'step'],
  ['alerts', 'alert'],
])

/** The same path in words, for messages: `entity 'member' state 'active' handler 'tier_changed' guard`. */
export function describePath(path: Path): string {
  const words: string[] = []
  for (let i = 0; i < path.length; i++) {
    const segment = path[i]!
    const next = path[i + 1]
    if (typeof segment === 'number') words.push(`item ${segment + 1}`)
    else if (typeof next === 'string' && KINDS.has(segment)) {
      words.push(`${KINDS.get(segment)} '${next}'`)
      i++
    } else if (typeof next === 'number' && LISTS.has(segment)) {
      words.push(`${LISTS.get(segment)} ${next + 1}`)
      i++
    } else words.push(segment)
  }
  return words.join(' ')
}
