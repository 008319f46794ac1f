-- Copies that touched amendments name: an amendment chooses among all of them.
select *
from dedup_columns
where event_name != 'AppendValue'
    and (
        (event_id != '' and event_id in (
            select original_event_id from {touched:Identifier} where event_name = 'AppendValue'
        ))
        or (order_id != '' and order_id in (
            select original_order_id from {touched:Identifier} where event_name = 'AppendValue'
        ))
    )
    and (door, seq, pos) not in (select door, seq, pos from {touched:Identifier})
limit {limit:UInt64}
