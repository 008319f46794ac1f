-- Copies that share name and id with a touched one, and are not at hand yet.
select *
from dedup_columns
where event_id != '' and event_name != 'AppendValue' and event_name not in {without:Array(String)}
    and (event_name, event_id) in (
        select event_name, event_id from {touched:Identifier} where event_id != '' and event_name != 'AppendValue'
    )
    and (door, seq, pos) not in (select door, seq, pos from {touched:Identifier})
limit {limit:UInt64}
