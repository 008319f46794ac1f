-- Sums of the actions outside the pool, per event name and currency; a key that the pool must cut into sessions gets a row
-- of its own instead.
select
    event_name,
    class,
    if(long, key, '') as long_key,
    if(isNull(value_e4), '', toString(currency)) as money,
    count() as actions,
    sum(copies) as n_copies,
    countIf(browser_copies = copies) as browser_only,
    countIf(browser_copies = 0) as server_only,
    countIf(browser_copies > 0 and browser_copies < copies) as both,
    countIf(limited) as n_limited,
    sumIf(toInt128(ifNull(value_e4, 0)), money != '') as total_e4,
    countIf(money != '') as valued,
    min(event_time_ms) as first_ms,
    max(event_time_ms) as last_ms
from plain
where long or (event_time_ms >= {since_ms:Int64} and event_time_ms < {until_ms:Int64})
group by event_name, class, long_key, money
