-- Which copies of Purchase came without an amount, or without its currency? What such a sale is worth, a twin with the same
-- event id may tell.
with
sales as
(
    select *, isNotNull(value_e4) and currency != '' as complete
    from seen
    where event_name = 'Purchase'
),
twins as
(
    select event_id, argMin((assumeNotNull(value_e4), currency), place) as money
    from sales
    where complete and event_id in (select event_id from sales where not complete and event_id != '')
    group by event_id
)
select
    [side] as subject,
    not complete as bad,
    1 as n,
    event_name,
    event_id,
    once,
    source,
    received_us,
    place,
    if(twins.event_id = '' or isNull(twins.event_id), null, twins.money.1) as value_e4,
    ifNull(twins.money.2, '') as currency,
    []::Array(UInt64) as extra
from sales
left join twins on sales.event_id = twins.event_id
