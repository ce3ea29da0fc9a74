/** Exports that an erasure concerns (spec 05 §4.5): those of a type the person has. */
import type { FrozenEntity } from '../../ports/privacy.ts'
import type { ExportMention } from '../../results.ts'
import type { PrivacyContext } from './context.ts'

export async function exportsOf(context: PrivacyContext, entities: readonly FrozenEntity[]): Promise<string[]> {
  const types = new Set(entities.map(({ type }) => type))
  const written = await context.engine.store.exports.list()
  return written
    .filter(({ entityTypes }) => entityTypes.some((type) => types.has(type)))
    .map(({ exportId }) => exportId)
}

/** As callers are told of them. */
export async function exportMentions(
  context: PrivacyContext,
  ids: readonly string[],
): Promise<readonly ExportMention[]> {
  const written = await context.engine.store.exports.list()
  return written
    .filter(({ exportId }) => ids.includes(exportId))
    .map(({ exportId, path, format, version, entityTypes, at }) => ({
      exportId,
      path,
      format,
      version,
      entityTypes,
      at,
    }))
}
