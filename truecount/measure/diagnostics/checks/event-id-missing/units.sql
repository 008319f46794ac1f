-- Of the events that both sides send, which copies came without an event id?
select
    [event_name, side] as subject,
    event_id = '' as bad,
    1 as n,
    event_name,
    event_id,
    once,
    source,
    received_us,
    place,
    value_e4,
    currency,
    []::Array(UInt64) as extra
from seen
where class = 0 and event_name in (select event_name from two_sided)
