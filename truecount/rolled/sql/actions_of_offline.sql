-- The same of offline copies.
select
    'action' as kind,
    event_name,
    event_time_ms - positiveModulo(event_time_ms, 60000) as bucket_ms,
    class,
    multiIf(browser_copies = copies, 1, browser_copies = 0, 2, 0) as door,
    if(unit = 0 or isNull(value_e4), '', {currencies:Array(String)}[unit]) as word,
    '' as rule,
    {sign:Int64} * toInt64(countIf(not long)) as n_actions,
    {sign:Int64} * toInt64(sumIf(copies, not long)) as n_copies,
    {sign:Int64} * toInt64(sumIf(browser_copies, not long)) as n_browser_copies,
    {sign:Int64} * toInt64(countIf(not long and limited)) as n_limited,
    {sign:Int64} * sumIf(toInt128(ifNull(value_e4, 0)), not long) as total_e4,
    toInt64(0) as n_left_out,
    groupArrayIf(key, long) as long_keys
from plain_offline
group by event_name, bucket_ms, class, door, word
