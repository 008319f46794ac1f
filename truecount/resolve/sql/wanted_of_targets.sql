-- The keys of chosen copies, and the chosen copies without a key.
select distinct
    1 as round,
    event_name,
    class,
    if(class = 2, offline_key, event_id) as key,
    if(key = '', place, toUInt128(0)) as single
from counted
where place in (select place from {targets:Identifier})
