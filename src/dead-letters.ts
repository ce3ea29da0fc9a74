/**
 * Dead letters of a file sink for people and tools: read them, and note what became of them (spec 07 §9). The lines are
 * never changed; decisions stand in a journal beside the file.
 */
export { readDeadLetters, settleDeadLetters } from './adapters/dead-letter/store.ts'
