/** Hand-written SQL that every database takes and answers alike (spec 06 §6 rule 3). Made for `insertCustomers`. */
export const STATEMENTS: readonly (readonly [
  sql: string,
  params?: readonly unknown[] | Readonly<Record<string, unknown>>,
])[] = [
  // aliases
  ['select c.customer_id as id, c.plan p from customer_history c order by id, p'],
  ['select mrr * 2 as twice from customer_history where mrr is not null order by twice desc'],
  ['select customer_state as state, count(*) as n from customer_history group by state order by n, state'],
  ['select upper(customer_state) as s, count(*) n from customer_history group by s order by 1'],
  ['select coalesce(plan, $1) as tier from customer_history order by tier, 1', ['none']],
  ['select "c"."plan" as "My Plan" from customer_history "c" where "c".mrr = 100'],
  [
    'select customer_id, mrr as customer_mrr from customer_history where mrr > :least order by customer_mrr',
    { least: 10 },
  ],
  ['select x.id from (select customer_id as id from customer_history) as x group by x.id order by x.id'],
  [
    'select a.customer_id, b.customer_id as other from customer_history a, customer_history b where a.mrr < b.mrr order by 1, 2',
  ],
  ['select plan as plan from customer_history order by plan nulls last, customer_id'],
  // common table expressions
  [
    'with c as (select customer_id as id, mrr from customer_history) select id, max(mrr) as top from c group by id order by id',
  ],
  ['with c (id, m) as (select customer_id, mrr from customer_history) select id from c where m > 10 order by id'],
  [
    'with a as (select plan from customer_history), b as (select plan as q from a where plan is not null) select q from b order by q',
  ],
  ['with a as (select customer_id from customer_history), a2 as (select count(*) as n from a) select n from a2'],
  [
    'with recursive n (i) as (select 1 union all select i + 1 from n where i < 5) select i, i * i as square from n order by i',
  ],
  ['with c as (select 1 as one) select one, (select max(mrr) from customer_history) as top from c'],
  [
    'with relationships2 as (select * from relationships) select source_id, target_id from relationships2 order by 1, 2',
  ],
  [
    'with c as (select customer_id, row_number() over (partition by customer_id order by valid_from desc) as n from customer_history) select customer_id from c where n = 1 order by 1',
  ],
  ['select * from (with inner_one as (select plan from order_history) select plan from inner_one) s order by plan'],
  // sub-queries
  ['select customer_id from customer_history where mrr = (select max(mrr) from customer_history)'],
  [
    'select distinct customer_id from customer_history c where exists (select 1 from relationships r where r.source_id = c.customer_id)',
  ],
  [
    'select distinct customer_id from customer_history c where not exists (select 1 from relationships r where r.source_id = c.customer_id) order by 1',
  ],
  [
    'select order_id from order_history where order_id in (select target_id from rel_placed_order_history where valid_to is null)',
  ],
  [
    'select order_id, (select count(*) from relationships r where r.target_id = o.order_id) as edges from order_history o order by order_id',
  ],
  [
    'select s.plan, s.n from (select plan, count(*) as n from customer_history group by plan) s where s.n > 0 order by s.plan nulls last',
  ],
  ['select plan from customer_history where (mrr, customer_id) = (100, $1)', ['a']],
  ['with t (a, b) as (values (1, $1), (2, $2)) select t.a from t where t.b = $2', ['x', 'y']],
  // unions and their like
  ['select plan from customer_history union select plan from order_history order by plan nulls last'],
  ['select plan as p from customer_history union all select plan from order_history order by p nulls last'],
  ['select plan from customer_history intersect select plan from order_history'],
  ['select plan from customer_history except select plan from order_history order by plan nulls last'],
  ['select 1 as n union select 2 union select 1 order by n desc'],
  ['select n from (select 1 as n union all select 2) u where n > 1'],
  [
    'select customer_id as id, $1 as kind from customer_history union all select order_id, $2 from order_history order by id, kind',
    ['customer', 'order'],
  ],
  // windows
  [
    'select customer_id, valid_from, rank() over (order by mrr desc nulls last) as place from customer_history order by place, 1, 2',
  ],
  [
    'select customer_id, sum(mrr) over (partition by customer_state order by customer_id, valid_from) as running from customer_history order by running nulls last, 1',
  ],
  [
    'select customer_id, lag(plan) over w as before, lead(plan) over w as after from customer_history window w as (partition by customer_id order by valid_from) order by customer_id, valid_from',
  ],
  ['select customer_id, count(*) over () as n from customer_history order by customer_id, valid_from limit 2'],
  [
    'select customer_id, max(mrr) over (partition by customer_id order by valid_from rows between 1 preceding and current row) as top from customer_history order by 1, 2 nulls last',
  ],
  [
    'select dense_rank() over (order by customer_state) as d, customer_id from customer_history order by d, customer_id, valid_from',
  ],
  // groups
  [
    'select customer_state, avg(mrr) as mean from customer_history group by customer_state having avg(mrr) > 1 order by mean',
  ],
  ['select customer_state, count(distinct plan) as plans from customer_history group by 1 order by 1'],
  ['select count(*) filter (where mrr > 0) as paying, count(*) as all_rows from customer_history'],
  ['select customer_id, min(valid_from) as since from customer_history group by customer_id having count(*) > 1'],
  [
    'select case when mrr > 60 then $1 when mrr is null then $2 else $3 end as size, count(*) as n from customer_history group by size order by size',
    ['big', 'none', 'small'],
  ],
  ['select plan, active from customer_history where active order by plan'],
  // joins
  [
    'select c.customer_id, o.order_id, o.total from customer_history c join relationships r on r.source_id = c.customer_id join order_history o on o.order_id = r.target_id where c.valid_to is null order by o.order_id',
  ],
  [
    'select c.customer_id, r.channel from customer_history c left join rel_placed_order_history r on r.source_id = c.customer_id and r.valid_to is null where c.valid_to is null order by 1',
  ],
  ['select plan, c.customer_id, o.order_id from customer_history c join order_history o using (plan) order by plan'],
  ['select count(*) as n from customer_history cross join order_history'],
  [
    'select o.order_id, e.source_id as buyer from order_history o inner join rel_ordered_by_history e on e.source_id = o.order_id order by 1',
  ],
  [
    'select c.plan, o.total from customer_history c full join order_history o on c.plan = o.plan order by 1 nulls last, 2 nulls last',
  ],
  // values, texts and comments
  [
    "select plan from customer_history where plan like '100%' and not plan = 'x' or plan is null order by plan nulls last",
  ],
  ['select seats from customer_history where seats > $1', [2n ** 53n]],
  ['select -mrr as negative, abs(-mrr) as positive, mrr + 1 as more from customer_history where mrr > 0 order by mrr'],
  ["select 'it''s; -- no comment' as text, /* here */ 1 as one -- and here"],
  [
    'select customer_id from customer_history where valid_from >= $1 and (valid_to is null or valid_to > $1) order by 1',
    ['2024-02-01T00:00:00+00:00'],
  ],
  [
    'select cast(mrr as integer) as whole, cast(seats as double precision) as real from customer_history where mrr = 100',
  ],
  [
    "select replace(plan, 'r', 'R') as r, substr(plan, 1, 2) as s, length(plan) as n, lower('ABC') as l from customer_history where mrr = 100",
  ],
]
