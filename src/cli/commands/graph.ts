import { lineageOf } from '../../core/lineage.ts'
import { didYouMean } from '../../core/spelling.ts'
import { NotFoundError } from '../../errors.ts'
import { projectAccess } from '../../project-access.ts'
import type { CommandSpec } from '../command.ts'
import { assetDiagram, type Diagram, lineageDiagram, stateDiagram } from '../graph/model.ts'
import { pipelineDiagram } from '../graph/pipeline.ts'
import { dot, mermaid } from '../graph/render.ts'
import { text } from '../options.ts'
import { centrality, communities, components, similar } from './graph-analytics.ts'
import { neighbors, path, related, traverse } from './graph-entities.ts'

export const command: CommandSpec = {
  name: 'graph',
  summary: 'draw the definitions, or look at the graph of entities',
  subcommands: [neighbors, traverse, path, related, components, communities, centrality, similar],
  options: [
    { flags: '--what <what>', description: 'default: states', choices: ['states', 'lineage', 'assets', 'pipeline'] },
    { flags: '--format <format>', description: 'default: mermaid', choices: ['mermaid', 'dot', 'json'] },
    { flags: '--entity <type>', description: 'states of this entity type only' },
  ],
  examples: [
    'defacto graph > states.mmd',
    'defacto graph --what lineage --format dot | dot -Tsvg > lineage.svg',
    'defacto graph neighbors ana@example.com',
  ],
  async run(context, _args, options) {
    const project = await context.project()
    const { Definitions } = await import('../../index.ts')
    const loaded = await Definitions.fromDirectory(project.definitions)
    loaded.assertValid()
    const definitions = loaded.toObject()
    const entity = text(options, 'entity')
    if (entity !== undefined && !Object.hasOwn(definitions.entities, entity)) {
      const known = Object.keys(definitions.entities)
      throw new NotFoundError(`unknown entity type '${entity}'${didYouMean(entity, known)}; known: ${known.join(', ')}`)
    }
    const what = text(options, 'what') ?? 'states'
    const diagram: Diagram =
      what === 'lineage'
        ? lineageDiagram(lineageOf(definitions))
        : what === 'assets'
          ? assetDiagram(definitions)
          : what === 'pipeline'
            ? pipelineDiagram([...(await projectAccess(project).pipelines()).values()].map(({ pipeline }) => pipeline))
            : stateDiagram(
                entity === undefined
                  ? definitions
                  : { ...definitions, entities: { [entity]: definitions.entities[entity]! } },
              )
    const format = text(options, 'format') ?? 'mermaid'
    return {
      data: diagram,
      text: format === 'dot' ? dot(diagram) : format === 'json' ? JSON.stringify(diagram, null, 2) : mermaid(diagram),
    }
  },
}
