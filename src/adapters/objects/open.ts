/** Object storage by its address. */
import { fileURLToPath } from 'node:url'
import { ConfigError } from '../../errors.ts'
import type { ObjectStore } from '../../ports/objects.ts'
import { openFolder } from './folder.ts'
import type { S3Options } from './s3-client.ts'

/**
 * Opens `s3://bucket/prefix`, `file:///folder` or the path of a folder. Nothing is read or made yet.
 * @throws ConfigError when the address or an option is no good
 */
export async function openObjects(url: string, options: S3Options = {}): Promise<ObjectStore> {
  if (/^s3a?:/i.test(url)) {
    // The SDK takes a while to load, and most runs do without.
    const { openS3 } = await import('./s3.ts')
    return openS3(url, options)
  }
  if (url.startsWith('file://')) return openFolder(fileURLToPath(url))
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(url)?.[1]
  if (url !== '' && scheme === undefined) return openFolder(url)
  throw new ConfigError(
    `There is no object storage for ${scheme === undefined ? 'an empty address' : `${scheme}:`}: give s3://bucket/prefix or the path of a folder.`,
  )
}
