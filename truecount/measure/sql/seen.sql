-- The copies of the actions that hold a copy that was asked for, in log order, and how many the action has. Of an action with
-- very many copies the first are given, and those that were asked for.
select
    found.action as action, found.kept as kept, found.rule as rule, found.n as n,
    toString(copies.door), copies.seq, copies.pos, toString(copies.source), copies.received_us, toString(copies.event_name),
    copies.event_id, copies.order_id, copies.url, toString(copies.test_event_code), copies.marks, copies.notes, copies.removed,
    copies.place in (select place from {targets:Identifier}) as asked
from accepted as copies
inner join
(
    select place, action, kept, rule, n
    from
    (
        select
            place, action, kept, rule,
            count() over (partition by action) as n,
            row_number() over (partition by action order by place) as at
        from verdicts
        where action in (select action from verdicts where place in (select place from {targets:Identifier}))
    )
    where at <= 20 or kept or place in (select place from {targets:Identifier})
) as found on copies.place = found.place
order by copies.place
