/** The code blocks of a Markdown file, in order, as a reader would type them. */
import { readFileSync } from 'node:fs'

export type Block =
  /** Commands, run one after the other in the folder the block before left. */
  | { kind: 'bash'; text: string; line: number }
  /** A file: its first line is a comment with the path. */
  | { kind: 'file'; path: string; text: string; line: number }
  /** What the commands before it print at the end. */
  | { kind: 'output'; text: string; line: number }
  | { kind: 'picture'; text: string; line: number }
  /** A fragment that is shown, not run; documents for reference may have some, the README none. */
  | { kind: 'fragment'; language: string; text: string; line: number }

export function blocksOf(path: string): Block[] {
  const blocks: Block[] = []
  let open: { language: string; lines: string[]; line: number } | null = null
  for (const [index, line] of readFileSync(path, 'utf8').split('\n').entries()) {
    const fence = /^```(\w*)$/.exec(line)
    if (fence === null) open?.lines.push(line)
    else if (open === null) open = { language: fence[1] ?? '', lines: [], line: index + 1 }
    else {
      blocks.push(blockOf(open.language, open.lines, open.line))
      open = null
    }
  }
  if (open !== null) throw new Error(`${path}:${open.line}: a code block is never closed`)
  return blocks
}

function blockOf(language: string, lines: readonly string[], line: number): Block {
  const text = `${lines.join('\n')}\n`
  if (language === 'bash') return { kind: 'bash', text, line }
  if (language === 'text') return { kind: 'output', text, line }
  if (language === 'mermaid') return { kind: 'picture', text, line }
  const path = /^(?:#|\/\/) ([\w./-]+\.\w+)$/.exec(lines[0] ?? '')?.[1]
  if (path === undefined) return { kind: 'fragment', language, text, line }
  // Formats without comments start after the line that names the file.
  const body = language === 'json' ? `${lines.slice(1).join('\n')}\n` : text
  return { kind: 'file', path, text: body, line }
}
