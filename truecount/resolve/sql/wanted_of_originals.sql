-- Amendments: the ids and copies that AppendValue names, so that each becomes an action that can be looked up.
select distinct 1 as round, event_name, class, event_id as key, if(event_id = '', place, toUInt128(0)) as single
from counted
where place in (select original from {originals:Identifier}) and source != 'offline'
