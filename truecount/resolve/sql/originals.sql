-- The copies that each amendment may mean: those of the named event with its event id, else with its order id.
select distinct
    amendment,
    original,
    amends,
    amendment_ms,
    reference_ms,
    value_e4,
    currency
from
(
    select *, min(by_order) over (partition by amendment) as least
    from
    (
        select
            amendments.place as amendment, copies.place as original, amendments.amends as amends,
            amendments.event_time_ms as amendment_ms, amendments.reference_ms as reference_ms,
            amendments.value_e4 as value_e4, amendments.currency as currency, 0 as by_order
        from (select event_name, event_id, place from accepted where event_name != 'AppendValue' and event_id in (
            select original_event_id from amendments where original_event_id != ''
        )) as copies
        inner join amendments on copies.event_id = amendments.original_event_id
        where amendments.original_event_name = '' or amendments.original_event_name = copies.event_name

        union all

        select
            amendments.place as amendment, copies.place as original, amendments.amends as amends,
            amendments.event_time_ms as amendment_ms, amendments.reference_ms as reference_ms,
            amendments.value_e4 as value_e4, amendments.currency as currency, 1 as by_order
        from (select event_name, order_id, place from accepted where event_name != 'AppendValue' and order_id in (
            select original_order_id from amendments where original_order_id != ''
        )) as copies
        inner join amendments on copies.order_id = amendments.original_order_id
        where amendments.original_event_name = '' or amendments.original_event_name = copies.event_name
    )
)
where by_order = least
