-- Keys whose copies lie further apart than the window, as the sums found them.
select 2 as round, event_name, class, arrayJoin(long_keys) as key, toUInt128(0) as place
from {rolling:Identifier}
where notEmpty(long_keys)
