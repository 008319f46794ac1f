-- Offline copies of the same name and time as a touched one, which their keys begin with.
select *
from dedup_columns
where source = 'offline'
    and (event_name, event_time_ms) in (
        select event_name, event_time_ms from {touched:Identifier} where source = 'offline'
    )
    and (door, seq, pos) not in (select door, seq, pos from {touched:Identifier})
limit {limit:UInt64}
