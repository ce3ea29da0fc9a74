/** Pipelines as diagrams: inputs into steps, steps after each other (spec 10 §3). */
import type { Input, Pipeline } from '../../orchestration/model.ts'
import { whenText } from '../../schedule-view.ts'
import type { Diagram, DiagramEdge, DiagramNode } from './model.ts'

export function pipelineDiagram(pipelines: Iterable<Pipeline>): Diagram {
  const nodes: DiagramNode[] = []
  const edges: DiagramEdge[] = []
  for (const pipeline of pipelines) {
    const id = (name: string): string => `${pipeline.name}/${name}`
    const group = `${pipeline.name}: ${whenText(pipeline.schedule)}`
    const add = (name: string, label: string, kind: string): void => {
      nodes.push({ id: id(name), label, group, kind })
    }
    for (const input of pipeline.inputs)
      add(`input ${input.name}`, `${input.name} (${input.kind}, ${input.source})`, 'input')
    for (const step of pipeline.steps) {
      add(
        step.id,
        step.id === step.kind ? step.id : `${step.id} (${step.kind})`,
        step.needs.length === 0 ? 'start' : 'step',
      )
      for (const need of step.needs)
        edges.push({ from: id(need), to: id(step.id), label: step.when === 'success' ? '' : step.when })
      for (const input of inputsOf(pipeline, step))
        edges.push({ from: id(`input ${input.name}`), to: id(step.id), label: '' })
    }
  }
  return { what: 'pipeline', nodes, edges }
}

function inputsOf(pipeline: Pipeline, step: Pipeline['steps'][number]): readonly Input[] {
  if (step.kind !== 'ingest') return []
  return pipeline.inputs.filter(({ name }) => step.inputs.length === 0 || step.inputs.includes(name))
}
