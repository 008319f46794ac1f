-- Which events count test copies among real ones?
select
    [event_name] as subject,
    bitAnd(marks, {test:UInt32}) != 0 as bad,
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
where event_name in (
    select event_name from seen group by event_name
    having countIf(bitAnd(marks, {test:UInt32}) != 0) > 0 and countIf(bitAnd(marks, {test:UInt32}) = 0) > 0
)
