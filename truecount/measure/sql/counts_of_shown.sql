-- How many copies of an action each source sent, by verdict.
select
    toString(source) as source,
    multiIf(found.action = 0, 'left_out', found.kept, 'kept', 'duplicate') as verdict,
    count()
from (select place, source from accepted where place in (select place from {shown:Identifier})) as copies
inner join (select place, action, kept from {shown:Identifier}) as found on copies.place = found.place
group by source, verdict
