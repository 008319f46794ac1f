-- One row for each action of key A that needs no closer look. A row with `long` set is no action: its copies lie further apart
-- than the window, and the pool has to cut them into sessions. Kept is a browser copy within 5 minutes after the first, else
-- the first. `unit` is the currency's number in `currencies`.
select
    event_name,
    class,
    key,
    0 as bare,
    toUInt128(bitShiftRight(first, 128)) as action,
    span_us > 172800000000 as long,
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
        from ids
    )
)
