/** Diagrams as Mermaid or Graphviz text. Names of users are quoted, so that any text is harmless. */
import type { Diagram, DiagramNode } from './model.ts'

export function mermaid(diagram: Diagram): string {
  return diagram.what === 'states' ? mermaidStates(diagram) : mermaidFlow(diagram)
}

function mermaidStates(diagram: Diagram): string {
  const ids = numbered(diagram, 's')
  const lines = ['stateDiagram-v2']
  for (const [group, nodes] of groups(diagram)) {
    lines.push(`  state ${quoted(group)} as ${ids.group(group)} {`)
    for (const node of nodes) lines.push(`    state ${quoted(node.label)} as ${ids.node(node.id)}`)
    for (const { id, kind } of nodes) {
      if (kind === 'start') lines.push(`    [*] --> ${ids.node(id)}`)
      if (kind === 'end') lines.push(`    ${ids.node(id)} --> [*]`)
    }
    for (const { from, to, label } of diagram.edges) {
      if (!nodes.some(({ id }) => id === from)) continue
      lines.push(`    ${ids.node(from)} --> ${ids.node(to)}${label === '' ? '' : ` : ${plain(label)}`}`)
    }
    lines.push('  }')
  }
  return `${lines.join('\n')}\n`
}

function mermaidFlow(diagram: Diagram): string {
  const ids = numbered(diagram, 'n')
  const lines = ['flowchart LR']
  for (const [group, nodes] of groups(diagram)) {
    lines.push(`  subgraph ${ids.group(group)}[${quoted(group)}]`)
    for (const node of nodes) lines.push(`    ${ids.node(node.id)}[${quoted(node.label)}]`)
    lines.push('  end')
  }
  for (const { from, to, label } of diagram.edges) {
    lines.push(`  ${ids.node(from)} -->${label === '' ? '' : `|${quoted(label)}|`} ${ids.node(to)}`)
  }
  return `${lines.join('\n')}\n`
}

export function dot(diagram: Diagram): string {
  const quote = (text: string): string =>
    `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`
  const lines = [`digraph ${diagram.what} {`, '  rankdir=LR;', '  node [shape=box, style=rounded];']
  let index = 0
  for (const [group, nodes] of groups(diagram)) {
    lines.push(`  subgraph cluster_${index++} {`, `    label=${quote(group)};`)
    for (const { id, label, kind } of nodes) {
      const shape = kind === 'end' ? ', peripheries=2' : kind === 'start' ? ', penwidth=2' : ''
      lines.push(`    ${quote(id)} [label=${quote(label)}${shape}];`)
    }
    lines.push('  }')
  }
  for (const { from, to, label } of diagram.edges) {
    lines.push(`  ${quote(from)} -> ${quote(to)}${label === '' ? '' : ` [label=${quote(label)}]`};`)
  }
  lines.push('}')
  return `${lines.join('\n')}\n`
}

function groups(diagram: Diagram): Map<string, DiagramNode[]> {
  const byGroup = new Map<string, DiagramNode[]>()
  for (const node of diagram.nodes) {
    const nodes = byGroup.get(node.group)
    if (nodes === undefined) byGroup.set(node.group, [node])
    else nodes.push(node)
  }
  return byGroup
}

/** Short ids: names may hold anything, the ids of a diagram language may not. */
function numbered(diagram: Diagram, prefix: string): { node(id: string): string; group(name: string): string } {
  const nodes = new Map(diagram.nodes.map(({ id }, index) => [id, `${prefix}${index}`]))
  const names = new Map([...groups(diagram).keys()].map((name, index) => [name, `g${index}`]))
  // An edge to a node that is not declared still needs a name that parses.
  return { node: (id) => nodes.get(id) ?? 'unknown', group: (name) => names.get(name) as string }
}

function quoted(text: string): string {
  return `"${text.replaceAll('"', '#quot;').replace(/[\r\n]+/g, ' ')}"`
}

/** Behind the colon of a state edge nothing can be quoted: characters with a meaning become entities. */
function plain(text: string): string {
  return text.replace(/[\r\n]+/g, ' ').replace(/[;:{}#"<>]/g, (c) => `#${c.charCodeAt(0)};`)
}
