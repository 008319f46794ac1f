-- The same of offline copies.
select distinct 1 as round, event_name, class, offline_key as key, if(offline_key = '', place, toUInt128(0)) as single
from offline
where place in (select original from {originals:Identifier})
