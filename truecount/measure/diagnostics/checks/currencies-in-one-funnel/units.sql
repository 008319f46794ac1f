-- Which visitors' funnels change their currency on the way? A visitor is known by the fbp of the copies that name a currency.
-- At stake is what those visitors' sales are worth.
with
visitors as
(
    select
        fbp as visitor,
        uniqExact(currency) > 1 as mixed,
        min(place) as first_place,
        max(received_us) as last_us,
        argMin(event_name, place) as first_name,
        argMin(event_id, place) as first_id,
        argMin(source, place) as first_source
    from seen
    where fbp != '' and currency != '' and event_name in {standard:Array(String)}
    group by fbp
)
select
    []::Array(String) as subject,
    mixed as bad,
    1 as n,
    first_name as event_name,
    first_id as event_id,
    '' as once,
    first_source as source,
    last_us as received_us,
    first_place as place,
    null::Nullable(Int64) as value_e4,
    '' as currency,
    []::Array(UInt64) as extra
from visitors

union all

select
    []::Array(String) as subject,
    1 as bad,
    0 as n,
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
where fbp in (select visitor from visitors where mixed) and currency != '' and event_name in {standard:Array(String)}
