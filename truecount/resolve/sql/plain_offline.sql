-- One row for each action of the offline rule that needs no closer look, in the columns of plain_ids.
select
    event_name,
    class,
    key,
    0 as bare,
    toUInt128(bitShiftRight(first, 128)) as action,
    span_us > 604800000000 as long,
    copies,
    browser_copies,
    bitAnd(common_marks, 32) != 0 and (browser_copies = 0 or browser_copies = copies) as limited,
    if(low >= 9223372036854775808, toInt64(toUInt64(bitShiftRight(kept, 64))), null) as value_e4,
    bitAnd(bitShiftRight(low, 48), 32767) as unit,
    toInt64(bitAnd(low, 281474976710655)) - 140737488355328 as event_time_ms,
    toUInt128(bitShiftRight(kept, 128)) as kept_place,
    0 as keyless
from
(
    select *, toUInt64(kept) as low
    from
    (
        select
            *,
            if(
                browser_copies > 0
                    and toUInt64(bitShiftRight(first_browser, 204)) - toUInt64(bitShiftRight(first, 204)) <= 300000000,
                first_browser,
                first
            ) as kept
        from offline_keys
    )
)

union all

select
    event_name,
    class,
    '' as key,
    0 as bare,
    place as action,
    0 as long,
    1 as copies,
    0 as browser_copies,
    bitAnd(marks, 32) != 0 as limited,
    value_e4,
    transform(currency, {currencies:Array(String)}, {units:Array(UInt64)}, toUInt64(0)) as unit,
    event_time_ms,
    place as kept_place,
    1 as keyless
from offline
where offline_key = ''
    and (
        not {any_wanted:UInt8}
        or event_name not in {pooled_names:Array(String)}
        or place not in (select place from {wanted:Identifier} where key = '')
    )
