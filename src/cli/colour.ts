/** The few colours the command line uses; identity functions when colour is off. */
import picocolors from 'picocolors'

export interface Paint {
  bold(text: string): string
  dim(text: string): string
  red(text: string): string
  yellow(text: string): string
  green(text: string): string
  cyan(text: string): string
}

export function paintFor(enabled: boolean): Paint {
  return picocolors.createColors(enabled)
}
