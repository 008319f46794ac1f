-- How many copies of one event name came by each source, and how many of them are among one in `one_in`.
select toString(source) as origin, count() as n, countIf(intHash64(seq) % {one_in:UInt64} = 0) as chosen
from copies
where dataset = {dataset:String} and event_name = {event_name:String}
    and bitAnd(marks, {left_out_marks:UInt32}) = 0
    and event_time_ms >= {since_ms:Int64} and event_time_ms < {until_ms:Int64}
group by source
