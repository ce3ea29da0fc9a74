import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: [
      'test/support/postgres-global.ts',
      'test/support/s3-global.ts',
      'test/support/temporal-global.ts',
      'test/support/neo4j-global.ts',
    ],
    setupFiles: ['test/support/seed.ts'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: 'forks',
    // Most tests wait for servers and processes of their own, so one core need not be kept free.
    maxWorkers: availableParallelism(),
  },
})
