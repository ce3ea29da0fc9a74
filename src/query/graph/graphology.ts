/** The graph library, optional packages that are loaded when they are first needed. */
import { ConfigError } from '../../errors.ts'

const load = {
  graphology: () => import('graphology'),
  'graphology-communities-louvain': () => import('graphology-communities-louvain'),
}
type Library = { readonly [name in keyof typeof load]: Awaited<ReturnType<(typeof load)[name]>> }
/** Its types speak of an ES module, it is none: what it exports is the function itself. */
type Louvain = Library['graphology-communities-louvain']['default']['default']

export function graphology(): Promise<Library['graphology']> {
  return loaded('graphology')
}

export async function louvainLibrary(): Promise<Louvain> {
  return (await loaded('graphology-communities-louvain')).default as unknown as Louvain
}

async function loaded<K extends keyof typeof load>(name: K): Promise<Library[K]> {
  try {
    return (await load[name]()) as Library[K]
  } catch (error) {
    throw new ConfigError(`Graphs in memory need the package ${name}, which is not installed: npm install ${name}`, {
      code: 'E_CONFIG_DRIVER',
      details: { package: name },
      cause: error,
    })
  }
}
