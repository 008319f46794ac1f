-- Whose clock is off? Copies that happened more than a minute after they were received; hits that the browser dates more than
-- an hour back, or with a time that cannot be; and what was refused because it lies too far ahead.
select
    [source] as subject,
    event_time_ms * 1000 > received_us + 60000000
        or (browser_side and event_time_ms * 1000 < received_us - 3600000000)
        or has(notes, 'unusable:ts') as bad,
    1 as n,
    event_name,
    event_id,
    once,
    source,
    received_us,
    place,
    value_e4,
    currency,
    []::Array(UInt64) as extra
from seen
where class != 2 and bitAnd(marks, {imported:UInt32}) = 0

union all

select
    [toString(source)] as subject,
    1 as bad,
    toUInt64(n) as n,
    toString(event_name) as event_name,
    '' as event_id,
    '' as once,
    toString(source) as source,
    received_us,
    toUInt128(0) as place,
    null::Nullable(Int64) as value_e4,
    '' as currency,
    []::Array(UInt64) as extra
from tallies
where dataset = {dataset:String} and reason in ('time_in_future', 'time_in_milliseconds')
    and received_us >= {since_us:Int64} and received_us < {until_us:Int64}
