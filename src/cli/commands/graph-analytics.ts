/** `graph components`, `communities`, `centrality` and `similar`: the graph as a whole, in memory (spec 06 §9.4). */
import type { CommandSpec, Options } from '../command.ts'
import type { Context } from '../context.ts'
import { entityId } from '../entity.ts'
import { count, flag, text } from '../options.ts'
import { CONNECT, openReading, ROW_OPTIONS, showRows } from '../reading.ts'

const OPTIONS = [
  ...ROW_OPTIONS,
  { flags: '--version <name>', description: 'version (default: the active one)' },
  CONNECT,
] as const

const algorithm = (names: readonly string[]) => ({
  flags: '--algorithm <name>',
  description: `default: ${names[0]}`,
  choices: names,
})

export const components: CommandSpec = {
  name: 'components',
  summary: 'which entities hang together',
  options: OPTIONS,
  examples: ['defacto graph components -o csv'],
  async run(context, _args, options) {
    const { root } = await openReading(context, options)
    return shown(context, root.graph.connectedComponents(), options)
  },
}

export const communities: CommandSpec = {
  name: 'communities',
  summary: 'entities that have more to do with each other than with others',
  options: [
    algorithm(['louvain', 'label_propagation']),
    { flags: '--seed <n>', description: 'the same seed gives the same communities (default: 0)' },
    ...OPTIONS,
  ],
  examples: ['defacto graph communities --algorithm label_propagation'],
  async run(context, _args, options) {
    const seed = count(options, 'seed')
    const { root } = await openReading(context, options)
    return shown(context, root.graph.communities({ ...chosen(options), ...(seed !== undefined && { seed }) }), options)
  },
}

export const centrality: CommandSpec = {
  name: 'centrality',
  summary: 'the entities that most leads to, the first ones first',
  options: [algorithm(['pagerank', 'betweenness', 'degree']), ...OPTIONS],
  examples: ['defacto graph centrality --algorithm degree --limit 10'],
  async run(context, _args, options) {
    const { root } = await openReading(context, options)
    return shown(context, root.graph.centrality(chosen(options)), options)
  },
}

export const similar: CommandSpec = {
  name: 'similar',
  summary: 'entities with the same neighbours',
  arguments: [['<id>', 'entity id, or the value of an identity field']],
  options: [algorithm(['jaccard']), { flags: '--top <n>', description: 'the nearest ones (default: 10)' }, ...OPTIONS],
  examples: ['defacto graph similar ana@example.com --top 5'],
  async run(context, [given = ''], options) {
    const topN = count(options, 'top', 1)
    const { root, space } = await openReading(context, options)
    const id = await entityId(space, given)
    return shown(context, root.graph.similar(id, { ...chosen(options), ...(topN !== undefined && { topN }) }), options)
  },
}

/** The parser has checked the name already. */
function chosen(options: Options): { algorithm?: never } {
  const name = text(options, 'algorithm')
  return name === undefined ? {} : { algorithm: name as never }
}

function shown(context: Context, query: unknown, options: Options): Promise<undefined> {
  return showRows(context, query, count(options, 'limit'), { records: flag(options, 'records') })
}
