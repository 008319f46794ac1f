-- Key B, server groups without id: each joins the latest earlier browser copy within 48 hours that it agrees with. It has no id
-- that could be "another", so it neither takes a browser copy from others nor minds who else has joined it.
select
    group_place,
    max(browser_place) as latest,
    argMax(token_rule, browser_place) as rule
from
(
    select
        asking.place as group_place,
        offered.place as browser_place,
        offered.rule as token_rule
    from (select token, place from {tokens:Identifier} where server and key = '') as asking
    asof inner join (select token, place, rule from {tokens:Identifier} where not server) as offered
        on asking.token = offered.token and offered.place < asking.place
    where bitShiftRight(asking.place, 76) - bitShiftRight(offered.place, 76) <= 172800000000
)
group by group_place
