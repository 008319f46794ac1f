-- Sums of the actions in the pool, amendments applied.
select
    event_name,
    class,
    []::Array(String) as long_keys,
    if(isNull(value), 0, new_unit) as money,
    roundDown(event_time_ms, {edges:Array(Int64)}) as bucket,
    count() as actions,
    sum(copies) as n_copies,
    countIf(browser_copies = copies) as browser_only,
    countIf(browser_copies = 0) as server_only,
    countIf(browser_copies > 0 and browser_copies < copies) as both,
    countIf(limited) as n_limited,
    sum(toInt128(ifNull(value, 0))) as total_e4,
    min(event_time_ms) as first_ms,
    max(event_time_ms) as last_ms
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
where event_time_ms >= {since_ms:Int64} and event_time_ms < {until_ms:Int64}
group by event_name, class, money, bucket
