-- Which event ids stand on several sales? On several order ids; where there are none, on three amounts or more from one
-- side; or on far more copies than retries explain. At stake are the sales but the first of each id, as far as order ids or
-- amounts tell them apart.
with
ids as
(
    select
        event_name,
        class,
        event_id,
        min(place) as first_place,
        max(received_us) as last_us,
        argMin(source, place) as first_source,
        minIf(order_id, order_id != '') != maxIf(order_id, order_id != '') as has_orders,
        max(order_id) = '' and greatest(
            length(groupUniqArrayIf(3)((value_e4, currency), isNotNull(value_e4) and browser_side)),
            length(groupUniqArrayIf(3)((value_e4, currency), isNotNull(value_e4) and not browser_side))
        ) = 3 as has_amounts,
        has_orders or has_amounts or count() > {retries:UInt64} as shared
    from seen
    where event_id != ''
    group by event_name, class, event_id
),
sales as
(
    select
        event_name,
        class,
        event_id,
        if(has_orders, order_id, concat(toString(assumeNotNull(value_e4)), ' ', currency)) as sale,
        min(place) as sale_place,
        argMin(source, place) as sale_source,
        max(received_us) as sale_us,
        argMinIf(assumeNotNull(value_e4), place, isNotNull(value_e4)) as sale_e4,
        argMinIf(currency, place, isNotNull(value_e4)) as sale_currency
    from seen
    inner join (select event_name, class, event_id, has_orders from ids where has_orders or has_amounts) as several
        on seen.event_name = several.event_name and seen.class = several.class and seen.event_id = several.event_id
    where if(has_orders, order_id != '', isNotNull(value_e4))
    group by event_name, class, event_id, sale
)
select
    [event_name] as subject,
    shared as bad,
    1 as n,
    event_name,
    event_id,
    event_id as once,
    first_source as source,
    last_us as received_us,
    first_place as place,
    null::Nullable(Int64) as value_e4,
    '' as currency,
    [toUInt64(0)] as extra
from ids

union all

select
    [event_name] as subject,
    1 as bad,
    0 as n,
    event_name,
    event_id,
    concat(event_id, ' ', sale) as once,
    sale_source as source,
    sale_us as received_us,
    toUInt128(0) as place,
    sale_e4 as value_e4,
    sale_currency as currency,
    [toUInt64(1)] as extra
from (select *, row_number() over (partition by event_name, class, event_id order by sale_place) as nth from sales)
where nth > 1
