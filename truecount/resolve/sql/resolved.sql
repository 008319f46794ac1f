-- Each copy of the pool with its action, named by the place of the action's first copy.
select
    pool.place as place,
    pool.fact as fact,
    pool.event_name as event_name,
    pool.class as class,
    pool.key as key,
    pool.browser as browser,
    pool.marks as marks,
    pool.fbp = '' and empty(pool.external_id) as keyless,
    sessions.first_place as first_place,
    sessions.session as session,
    if(ifNull(joined.rule, '') = '', sessions.first_place, ifNull(joined.anchor, sessions.first_place)) as action,
    ifNull(joined.rule, '') as join_rule
from {pool:Identifier} as pool
inner join {sessions:Identifier} as sessions on pool.place = sessions.place
left join
(
    select joins.group_place as group_place, joins.rule as rule, offered.first_place as anchor
    from {joins:Identifier} as joins
    inner join {sessions:Identifier} as offered on joins.browser_place = offered.place
) as joined on sessions.first_place = joined.group_place
