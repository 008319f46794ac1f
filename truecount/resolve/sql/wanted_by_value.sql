-- Key B: the ids, and the copies without one, that carry a live value.
select distinct 1 as round, event_name, 0 as class, event_id as key, toUInt128(0) as single
from keyed
where event_id != '' and arrayExists(value -> value in (select value from {live:Identifier}), values)

union all

select 1 as round, event_name, 0 as class, '' as key, place as single
from keyed
where event_id = '' and arrayExists(value -> value in (select value from {live:Identifier}), values)
