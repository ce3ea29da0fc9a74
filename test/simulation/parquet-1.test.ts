/** The tiers over real Parquet files, written by one library and confirmed by another. */
import { simulateParquet } from './parquet-seeds.ts'

simulateParquet(0)
