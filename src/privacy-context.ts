/** Puts together what erasures and redactions of an open space work with (spec 05, 10 §10). */
import { dirname, join } from 'node:path'
import { CertificateFolder } from './adapters/files/certificate-folder.ts'
import type { Compliance } from './compliance.ts'
import type { Edition, Engine } from './engine/engine.ts'
import type { PrivacyContext, Signer } from './engine/privacy/context.ts'
import { coldTarget } from './engine/privacy/targets/cold.ts'
import { memoryTarget } from './engine/privacy/targets/memory.ts'
import { erasureTargets } from './erasure-targets.ts'
import { holdFilter } from './hold-filter.ts'
import { packageVersion } from './package-version.ts'
import { loadSigner } from './signing-keys.ts'

export interface ContextParts {
  readonly engine: Engine
  readonly compliance: Compliance
  readonly mode: 'development' | 'production'
  working(): Edition
  editions(): Promise<readonly Edition[]>
  interpret(signal?: AbortSignal): Promise<void>
  refresh(): Promise<void>
}

/** Where keys and certificates of a space lie that is told no other place; null: beside no file. */
function ownFolder({ dialect, location }: Engine['store']): string | null {
  return dialect === 'sqlite' && location !== ':memory:' ? dirname(location) : null
}

/** The folder of certificates outside the database; null: there is none. */
export function certificatesOf(engine: Engine, { certificates }: Compliance): CertificateFolder | null {
  const own = ownFolder(engine.store)
  const folder = certificates ?? (own === null ? null : join(own, 'certificates'))
  return folder === null ? null : new CertificateFolder(folder)
}

/** Whoever only looks, or places a hold, needs no key; the first request says what is wrong with it. */
function unsigned(error: unknown): Signer {
  return {
    get keyId(): string {
      throw error
    },
    sign(): string {
      throw error
    },
  }
}

export async function privacyContext(parts: ContextParts): Promise<PrivacyContext> {
  const { engine, compliance, mode } = parts
  const { store } = engine
  const folder = certificatesOf(engine, compliance)
  const beside = ownFolder(store) ?? (compliance.certificates === null ? null : dirname(compliance.certificates))
  const digests = await engine.digests()
  const cold = await coldTarget(engine, digests)
  return {
    engine,
    digests,
    policy: compliance,
    signer: await loadSigner({ signingKey: compliance.signingKey, folder: beside, mode }).catch(unsigned),
    package: packageVersion(),
    working: parts.working,
    editions: parts.editions,
    interpret: parts.interpret,
    targets: [
      ...(cold === null ? [] : [cold]),
      memoryTarget(engine),
      ...erasureTargets({ store, deadLetter: engine.deadLetter, addresses: compliance.exports }),
    ],
    holdFilter: holdFilter(store, parts.working),
    async certified(body, certificateId) {
      await folder?.keep(certificateId, body)
    },
    refresh: parts.refresh,
  }
}
