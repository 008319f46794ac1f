-- The copies of one dataset up to one moment of the log, with the columns that dedup reads, in the order of
-- scratch.DEDUP_COLUMNS.
select
    dataset, source, received_us, event_time_ms, event_name, event_id, value_e4, currency, order_id, item_number,
    fbp, fbc, em, ph, fn, ln, db, ge, ct, st, zp, country, external_id, other_keys, marks,
    original_event_name, original_event_id, original_order_id, original_time_ms, door, seq, pos
from copies
where dataset = {dataset:String}
    and seq < transform(door, {doors:Array(String)}, {seqs:Array(UInt64)}, toUInt64(0))
