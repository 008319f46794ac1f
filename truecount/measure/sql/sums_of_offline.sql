-- The same of offline copies.
select
    event_name,
    class,
    groupArrayIf(key, long) as long_keys,
    if(isNull(value_e4), 0, unit) as money,
    roundDown(event_time_ms, {edges:Array(Int64)}) as bucket,
    countIf(not long) as actions,
    sumIf(copies, not long) as n_copies,
    countIf(not long and browser_copies = copies) as browser_only,
    countIf(not long and browser_copies = 0) as server_only,
    countIf(not long and browser_copies > 0 and browser_copies < copies) as both,
    countIf(not long and limited) as n_limited,
    sumIf(toInt128(ifNull(value_e4, 0)), not long) as total_e4,
    minIf(event_time_ms, not long) as first_ms,
    maxIf(event_time_ms, not long) as last_ms
from plain_offline
where long or (event_time_ms >= {since_ms:Int64} and event_time_ms < {until_ms:Int64})
group by event_name, class, money, bucket
