-- Amendments that name a touched copy.
select *
from dedup_columns
where event_name = 'AppendValue'
    and (
        (original_event_id != '' and original_event_id in (
            select event_id from {touched:Identifier} where event_name != 'AppendValue'
        ))
        or (original_order_id != '' and original_order_id in (
            select order_id from {touched:Identifier} where event_name != 'AppendValue'
        ))
    )
    and (door, seq, pos) not in (select door, seq, pos from {touched:Identifier})
limit {limit:UInt64}
