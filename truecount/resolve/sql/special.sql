-- One row for each action of the pool, in the columns of `plain`, with the place of the kept copy.
select
    event_name,
    class,
    key,
    0 as bare,
    toUInt128(bitShiftRight(first, 128)) as action,
    0 as long,
    copies,
    browser_copies,
    bitAnd(common_marks, 32) != 0 and (browser_copies = 0 or browser_copies = copies) as limited,
    if(low >= 9223372036854775808, toInt64(toUInt64(bitShiftRight(kept, 64))), null) as value_e4,
    bitAnd(bitShiftRight(low, 48), 32767) as unit,
    toInt64(bitAnd(low, 281474976710655)) - 140737488355328 as event_time_ms,
    toUInt128(bitShiftRight(kept, 128)) as kept_place
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
        from (
            select
                event_name,
                class,
                action,
                max(key) as key,
                count() as copies,
                countIf(browser) as browser_copies,
                min(bitOr(bitShiftLeft(toUInt256(place), 128), toUInt256(fact))) as first,
                minIf(bitOr(bitShiftLeft(toUInt256(place), 128), toUInt256(fact)), browser) as first_browser,
                groupBitAnd(marks) as common_marks
            from {resolved:Identifier}
            group by event_name, class, action
        )
    )
)
