-- Key B: the ids, and the copies without one, that carry a live value.
select distinct
    1 as round,
    event_name,
    0 as class,
    event_id as key,
    if(event_id = '', place, toUInt128(0)) as single
from values_of_keys
where value in (select value from {live:Identifier})
