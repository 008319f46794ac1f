-- The actions outside the pool, in the columns of `listed`.
select
    event_name,
    class,
    key,
    action,
    kept_place,
    copies,
    browser_copies,
    multiIf(browser_copies = copies, 1, browser_copies = 0, 2, 0) as door,
    limited,
    value_e4,
    unit,
    event_time_ms,
    arraySort(arrayFilter(rule -> rule != '', [
        multiIf(kept_place != action, 'browser_within_5_min', keyless, 'no_key', 'first_received'),
        multiIf(copies = 1, '', class = 2, 'offline', 'event_id')
    ])) as rules
from plain
where not long
