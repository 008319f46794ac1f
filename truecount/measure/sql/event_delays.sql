-- How long after it happened a copy was received, by source: how many in each bucket (by its lower edge in ms), and the
-- delays that half and 95 % of the copies stay within, one percent about. A clock that runs ahead counts there as none.
select
    toString(source) as origin,
    count() as n,
    sumMap([roundDown(delay_ms, {delays:Array(Int64)})], [toUInt64(1)]) as buckets,
    quantilesDD(0.01, 0.5, 0.95)(greatest(delay_ms, 0)) as within_ms
from
(
    select source, intDiv(received_us, 1000) - event_time_ms as delay_ms
    from copies
    where dataset = {dataset:String} and event_name = {event_name:String}
        and bitAnd(marks, {left_out_marks:UInt32}) = 0
        and event_time_ms >= {since_ms:Int64} and event_time_ms < {until_ms:Int64}
)
group by source
