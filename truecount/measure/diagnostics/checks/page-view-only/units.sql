-- Does the dataset send page views and nothing else? What comes after a day or more of them alone ends it.
with
firsts as
(
    select
        countIf(event_name != 'PageView') as others,
        minIf(received_us, event_name != 'PageView') as others_us,
        others = 0 or others_us - min(received_us) >= 86400000000 as long
    from seen
)
select
    []::Array(String) as subject,
    event_name = 'PageView' and long and (others = 0 or received_us < others_us) as bad,
    1 as n,
    event_name,
    event_id,
    once,
    source,
    received_us,
    place,
    null::Nullable(Int64) as value_e4,
    '' as currency,
    []::Array(UInt64) as extra
from seen
cross join firsts
