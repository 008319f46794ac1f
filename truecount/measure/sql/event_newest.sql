-- The newest copies of one event name.
select
    toString(source) as origin, event_id, order_id, event_time_ms, received_us, value_e4, toString(currency) as money,
    toString(door) as log, seq, pos
from copies
where dataset = {dataset:String} and event_name = {event_name:String}
    and bitAnd(marks, {left_out_marks:UInt32}) = 0
    and event_time_ms >= {since_ms:Int64} and event_time_ms < {until_ms:Int64}
order by received_us desc, door desc, seq desc, pos desc
limit {most:UInt32}
