/** The graph library, optional packages that are loaded when they are first needed. */
import { ConfigError } from '../../errors.ts'

export function graphology() {
  return loaded('graphology', () => import('graphology'))
}

export async function louvainLibrary() {
  const name = 'graphology-communities-louvain'
  const { default: library } = await loaded(name, () => import('graphology-communities-louvain'))
  // Its types speak of an ES module, it is none: what it exports is the function itself.
  return library as unknown as typeof library.default
}

async function loaded<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (error) {
    throw new ConfigError(`Graphs in memory need the package ${name}, which is not installed: npm install ${name}`, {
      code: 'E_CONFIG_DRIVER',
      details: { package: name },
      cause: error,
    })
  }
}
