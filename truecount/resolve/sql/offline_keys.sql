-- The offline rule without its window: a row for each name and key.
select
    event_name,
    class,
    offline_key as key,
    count() as copies,
    0 as browser_copies,
    min(bitOr(bitShiftLeft(toUInt256(place), 128), toUInt256(fact))) as first,
    toUInt256(0) as first_browser,
    max(received_us) - min(received_us) as span_us,
    groupBitAnd(marks) as common_marks
from offline
where offline_key != ''
group by event_name, class, key
having not {any_wanted:UInt8} or (event_name, class, key) not in (
    select event_name, class, key from {wanted:Identifier} where key != ''
)
