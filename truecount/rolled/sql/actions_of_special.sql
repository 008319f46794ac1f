-- The actions of the pool, amendments applied, by minute.
select
    'action' as kind,
    event_name,
    event_time_ms - positiveModulo(event_time_ms, 60000) as bucket_ms,
    class,
    multiIf(browser_copies = copies, 1, browser_copies = 0, 2, 0) as door,
    if(new_unit = 0 or isNull(value), '', {currencies:Array(String)}[new_unit]) as word,
    '' as rule,
    {sign:Int64} * toInt64(count()) as n_actions,
    {sign:Int64} * toInt64(sum(copies)) as n_copies,
    {sign:Int64} * toInt64(sum(browser_copies)) as n_browser_copies,
    {sign:Int64} * toInt64(countIf(limited)) as n_limited,
    {sign:Int64} * sum(toInt128(ifNull(value, 0))) as total_e4,
    toInt64(0) as n_left_out,
    []::Array(String) as long_keys
from
(
    select
        actions.*,
        amended.action = actions.action and actions.action != 0 as is_amended,
        if(is_amended, amended.value_e4, actions.value_e4) as value,
        if(
            is_amended and amended.currency != '',
            transform(amended.currency, {currencies:Array(String)}, {units:Array(UInt64)}, toUInt64(0)),
            actions.unit
        ) as new_unit
    from special as actions
    left join {amended:Identifier} as amended on actions.action = amended.action
)
group by event_name, bucket_ms, class, door, word
