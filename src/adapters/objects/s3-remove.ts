/**
 * Removal from S3. In a bucket that keeps versions all of them go; what the bucket holds back (a lock, a policy) is
 * reported, and hidden at least.
 */
import {
  DeleteObjectsCommand,
  GetBucketVersioningCommand,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
  type ObjectIdentifier,
} from '@aws-sdk/client-s3'
import type { S3Way } from './s3-client.ts'
import { isDenied, statusOf } from './s3-errors.ts'

/** The server takes no more in one request. */
const KEYS_AT_ONCE = 1000
const LISTS_AT_ONCE = 8

/** Reasons by path. */
type Kept = Map<string, string>

export async function removeObjects(way: S3Way, paths: readonly string[]): Promise<{ path: string; reason: string }[]> {
  const kept: Kept = new Map()
  try {
    if (paths.length === 0) return []
    if (await keepsVersions(way)) await removeVersions(way, paths, kept)
    else await deleteAll(way, paths.map(plain), kept)
  } catch (error) {
    throw way.error(error, 'remove', paths[0] ?? '')
  }
  return [...kept].map(([path, reason]) => ({ path, reason }))
}

const UNLISTED = 'whether older versions remain cannot be told: allow s3:GetBucketVersioning and s3:ListBucketVersions'

/** Paths that a marker hides, with versions behind it. */
export async function hiddenObjects(way: S3Way, prefix: string): Promise<{ paths: string[]; reason: string | null }> {
  const marked = new Set<string>()
  const kept = new Set<string>()
  try {
    if (!(await keepsVersions(way))) return { paths: [], reason: null }
    const { Bucket, Key } = way.at(prefix)
    for (let from: { KeyMarker?: string; VersionIdMarker?: string } | null = {}; from !== null; ) {
      const command = new ListObjectVersionsCommand({ Bucket, Prefix: Key, ...from })
      const page: ListObjectVersionsCommandOutput = await way.client.send(command)
      for (const { Key: key = '', IsLatest } of page.DeleteMarkers ?? []) if (IsLatest === true) marked.add(key)
      for (const { Key: key = '' } of page.Versions ?? []) kept.add(key)
      from = page.IsTruncated ? { KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker } : null
    }
  } catch (error) {
    if (isDenied(error)) return { paths: [], reason: UNLISTED }
    throw way.error(error, 'remove', prefix)
  }
  const hidden = [...marked].filter((key) => kept.has(key))
  return { paths: hidden.map((key) => key.slice(way.bucket.prefix.length)), reason: null }
}

interface Doomed {
  readonly path: string
  readonly version: string | undefined
}

const plain = (path: string): Doomed => ({ path, version: undefined })

/** Also true when it is not known. */
async function keepsVersions(way: S3Way): Promise<boolean> {
  try {
    const { Status } = await way.client.send(new GetBucketVersioningCommand({ Bucket: way.bucket.name }))
    return Status !== undefined
  } catch (error) {
    // Servers without versions may not know the question.
    if (statusOf(error) === 501) return false
    if (isDenied(error)) return true
    throw error
  }
}

/** Markers hide older versions: they go last, and only where nothing is left that would come to light. */
async function removeVersions(way: S3Way, paths: readonly string[], kept: Kept): Promise<void> {
  const versions: Doomed[] = []
  const markers: Doomed[] = []
  const unlisted: Kept = new Map()
  for (let at = 0; at < paths.length; at += LISTS_AT_ONCE) {
    const found = await Promise.all(paths.slice(at, at + LISTS_AT_ONCE).map((path) => versionsOf(way, path)))
    for (const one of found) {
      versions.push(...one.versions)
      markers.push(...one.markers)
      if (one.denied) {
        unlisted.set(one.path, UNLISTED)
      }
    }
  }
  await deleteAll(way, versions, kept)
  const marked = new Set(markers.map(({ path }) => path))
  const hidden = [...kept.keys(), ...unlisted.keys()].filter((path) => !marked.has(path))
  await deleteAll(way, hidden.map(plain), kept)
  const gone = markers.filter(({ path }) => !kept.has(path))
  await deleteAll(way, gone, kept)
  for (const [path, reason] of unlisted) if (!kept.has(path)) kept.set(path, reason)
}

interface Versions {
  readonly path: string
  readonly versions: readonly Doomed[]
  readonly markers: readonly Doomed[]
  readonly denied: boolean
}

async function versionsOf(way: S3Way, path: string): Promise<Versions> {
  const { Bucket, Key } = way.at(path)
  const versions: Doomed[] = []
  const markers: Doomed[] = []
  let from: { KeyMarker?: string; VersionIdMarker?: string } | null = {}
  while (from !== null) {
    try {
      const command = new ListObjectVersionsCommand({ Bucket, Prefix: Key, ...from })
      const page: ListObjectVersionsCommandOutput = await way.client.send(command)
      const ours = (entry: { Key?: string }): boolean => entry.Key === Key
      versions.push(...(page.Versions ?? []).filter(ours).map(({ VersionId }) => ({ path, version: VersionId })))
      markers.push(...(page.DeleteMarkers ?? []).filter(ours).map(({ VersionId }) => ({ path, version: VersionId })))
      // What follows begins like the key and is longer.
      const more = page.IsTruncated && page.NextKeyMarker === Key
      from = more ? { KeyMarker: Key, VersionIdMarker: page.NextVersionIdMarker } : null
    } catch (error) {
      if (!isDenied(error)) throw error
      return { path, versions: [], markers: [], denied: true }
    }
  }
  return { path, versions, markers, denied: false }
}

async function deleteAll(way: S3Way, doomed: readonly Doomed[], kept: Kept): Promise<void> {
  for (let at = 0; at < doomed.length; at += KEYS_AT_ONCE) {
    const some = doomed.slice(at, at + KEYS_AT_ONCE)
    const objects = some.map(({ path, version }): ObjectIdentifier => {
      return { Key: way.at(path).Key, ...(version === undefined ? {} : { VersionId: version }) }
    })
    try {
      const answer = await way.client.send(
        new DeleteObjectsCommand({ Bucket: way.bucket.name, Delete: { Objects: objects, Quiet: true } }),
      )
      for (const { Key = '', Code = '', Message = '' } of answer.Errors ?? []) {
        if (Code !== 'NoSuchKey' && Code !== 'NoSuchVersion') {
          kept.set(Key.slice(way.bucket.prefix.length), reasonOf(Code, Message))
        }
      }
    } catch (error) {
      if (!isDenied(error)) throw error
      for (const { path } of some) kept.set(path, reasonOf('AccessDenied', ''))
    }
  }
}

function reasonOf(code: string, message: string): string {
  if (/lock|retention|legal hold|WORM/i.test(message)) return 'it is protected by object lock until its retention ends'
  if (code === 'AccessDenied') return 'access is denied: allow s3:DeleteObject and s3:DeleteObjectVersion'
  return `${code}: try again`
}
