-- The keys of chosen copies, and the chosen copies without a key.
select distinct 1 as round, event_name, class, event_id as key, if(event_id = '', place, toUInt128(0)) as single
from counted
where place in (select place from {targets:Identifier}) and source != 'offline'
