/** Folders for files that commands write. */
export { makeFolder } from './adapters/files/make-folder.ts'
