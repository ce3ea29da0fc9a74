/** Endpoints that say what there is: schedules, assets, checks, freshness. Elements are those of the commands' `-o json`. */
import { assetView, checkView, freshnessView } from '../asset-view.ts'
import { type Endpoint, endpoint, json } from './endpoint.ts'
import { listOf } from './schemas.ts'

const listAnswer = (key: string, description: string) => ({
  200: { description, content: { type: 'application/json', schema: listOf(key) } },
})

export const CATALOG_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'get',
    path: '/v1/schedules',
    scope: 'read',
    id: 'listSchedules',
    summary: 'Pipelines with a schedule: when they run next, and what became of the last slot.',
    answers: listAnswer('schedules', 'schedules'),
    handle: async (_call, service) => json({ schedules: await service.schedules() }),
  }),
  endpoint({
    method: 'get',
    path: '/v1/assets',
    scope: 'read',
    id: 'listAssets',
    summary: 'Everything that can be read, where it comes from, its data version, freshness and checks.',
    answers: listAnswer('assets', 'assets'),
    handle: async (_call, service) => json({ assets: (await service.assets()).map(assetView) }),
  }),
  endpoint({
    method: 'get',
    path: '/v1/checks',
    scope: 'read',
    id: 'listChecks',
    summary: 'The latest result of every check.',
    answers: listAnswer('checks', 'results'),
    handle: async (_call, service) => json({ checks: (await service.checks()).map(checkView) }),
  }),
  endpoint({
    method: 'get',
    path: '/v1/freshness',
    scope: 'read',
    id: 'listFreshness',
    summary: 'How far assets lag behind, by the rules of the pipelines.',
    answers: listAnswer('freshness', 'states'),
    handle: async (_call, service) => json({ freshness: (await service.freshness()).map(freshnessView) }),
  }),
]
