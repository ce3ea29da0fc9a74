/** What the checker needs to know of a SELECT: names, where they stand, and which scope they belong to. */

export interface Name {
  readonly text: string
  readonly quoted: boolean
  readonly at: number
}
export interface QueryNode {
  readonly kind: 'query'
  readonly at: number
  readonly recursive: boolean
  readonly with: readonly CteNode[]
  readonly body: BodyNode
  readonly orderBy: readonly ExprNode[]
  readonly rest: readonly ExprNode[]
}
export interface CteNode {
  readonly name: Name
  readonly columns: readonly Name[] | null
  readonly query: QueryNode
}
export type BodyNode = SelectNode | SetNode | ValuesNode | QueryNode
export interface SetNode {
  readonly kind: 'set'
  readonly at: number
  readonly left: BodyNode
  readonly right: BodyNode
}
export interface ValuesNode {
  readonly kind: 'values'
  readonly at: number
  readonly rows: readonly (readonly ExprNode[])[]
}
export interface SelectNode {
  readonly kind: 'select'
  readonly at: number
  readonly items: readonly ItemNode[]
  readonly from: readonly SourceNode[]
  readonly where: ExprNode | null
  readonly groupBy: readonly ExprNode[]
  readonly having: ExprNode | null
  readonly windows: readonly ExprNode[]
}
export type ItemNode =
  | { readonly kind: 'star'; readonly table: Name | null; readonly at: number; readonly end: number }
  | { readonly kind: 'item'; readonly expr: ExprNode; readonly alias: Name | null }

export type SourceNode = TableNode | SubqueryNode | JoinNode | FunctionSourceNode
export interface TableNode {
  readonly kind: 'table'
  readonly schema: Name | null
  readonly name: Name
  readonly alias: Name | null
  readonly columns: readonly Name[] | null
  /** The tokens of the (qualified) name, to be replaced by the real one. */
  readonly start: number
  readonly end: number
}
export interface SubqueryNode {
  readonly kind: 'subquery'
  readonly query: QueryNode
  readonly alias: Name | null
  readonly columns: readonly Name[] | null
}
export interface FunctionSourceNode {
  readonly kind: 'function'
  readonly name: Name
}
export interface JoinNode {
  readonly kind: 'join'
  readonly left: SourceNode
  readonly right: SourceNode
  readonly natural: boolean
  readonly using: readonly Name[] | null
  readonly on: ExprNode | null
}

export type ExprNode =
  | { readonly kind: 'column'; readonly path: readonly Name[] }
  | {
      readonly kind: 'call'
      readonly name: Name
      readonly args: readonly ExprNode[]
      readonly rest: readonly ExprNode[]
    }
  | { readonly kind: 'query'; readonly query: QueryNode; readonly exists: boolean }
  | { readonly kind: 'cast'; readonly to: string; readonly at: number; readonly arg: ExprNode }
  | { readonly kind: 'literal'; readonly type: 'integer' | 'number' | 'string' | 'boolean' | 'unknown' }
  /** Any other combination; `boolean` where the operator yields one. */
  | { readonly kind: 'parts'; readonly parts: readonly ExprNode[]; readonly boolean: boolean }
