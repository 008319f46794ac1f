-- Of an action of very many copies those that are shown: the kept one, and of each source and verdict the first and the last.
select place, action, kept, rule
from
(
    select
        place, action, kept, rule,
        row_number() over (partition by source, action, kept order by place) as nth,
        count() over (partition by source, action, kept) as of_all
    from (select place, source from accepted where place in (select place from {shown:Identifier})) as copies
    inner join (select place, action, kept, rule from {shown:Identifier}) as found on copies.place = found.place
)
order by kept desc, least(nth, of_all - nth + 1), place
limit {most:UInt32}
