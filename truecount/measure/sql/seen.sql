-- The copies of the actions that hold a copy that was asked for, in log order, and how many the action has. Of an action with
-- very many copies the first of all and of each side are given, and those that were asked for.
select
    found.action as action, found.kept as kept, found.rule as rule, found.n as n, found.of_browser as of_browser,
    toString(copies.door), copies.seq, copies.pos, toString(copies.source), copies.received_us, toString(copies.event_name),
    copies.event_id, copies.order_id, copies.url, toString(copies.test_event_code), copies.marks, copies.notes, copies.removed,
    copies.place in (select place from {targets:Identifier}) as asked
from accepted as copies
inner join
(
    select place, action, kept, rule, n, of_browser
    from
    (
        select
            place, action, kept, rule,
            count() over (partition by action) as n,
            countIf(browser) over (partition by action) as of_browser,
            row_number() over (partition by action order by place) as at,
            row_number() over (partition by action, browser order by place) as of_side
        from verdicts
        inner join (select place, browser from {resolved:Identifier}) as sides using (place)
        where action in (select action from verdicts where place in (select place from {targets:Identifier}))
    )
    where at <= 20 or of_side = 1 or kept or place in (select place from {targets:Identifier})
) as found on copies.place = found.place
order by copies.place
