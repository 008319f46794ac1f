-- Copies without an id that are an action each, by minute.
select
    'action' as kind,
    event_name,
    event_time_ms - positiveModulo(event_time_ms, 60000) as bucket_ms,
    class,
    if(browser_copies > 0, 1, 2) as door,
    if(unit = 0 or isNull(value_e4), '', {currencies:Array(String)}[unit]) as word,
    '' as rule,
    {sign:Int64} * toInt64(count()) as n_actions,
    n_actions as n_copies,
    {sign:Int64} * toInt64(sum(browser_copies)) as n_browser_copies,
    {sign:Int64} * toInt64(countIf(limited)) as n_limited,
    {sign:Int64} * sum(toInt128(ifNull(value_e4, 0))) as total_e4,
    toInt64(0) as n_left_out,
    []::Array(String) as long_keys
from plain_bare
group by event_name, bucket_ms, class, door, word
