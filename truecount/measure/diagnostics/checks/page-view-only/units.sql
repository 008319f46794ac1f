-- Does the dataset send page views and nothing else? What comes after a day or more of them alone ends it.
with
(
    select (
        min(received_us),
        if(countIf(event_name != 'PageView') = 0, {until_us:Int64} + 86400000000, minIf(received_us, event_name != 'PageView'))
    )
    from seen
) as firsts
select
    []::Array(String) as subject,
    received_us < firsts.2 and firsts.2 - firsts.1 >= 86400000000 as bad,
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
