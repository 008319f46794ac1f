-- The copies of one action with their verdicts, and the left out ones that were searched for, in log order.
select
    copies.place as place,
    toString(copies.source) as source,
    copies.event_name as event_name,
    copies.event_id as event_id,
    copies.received_us as received_us,
    copies.event_time_ms as event_time_ms,
    copies.value_e4 as value_e4,
    toString(copies.currency) as currency,
    copies.order_id as order_id,
    copies.item_number as item_number,
    copies.marks as marks,
    copies.class as class,
    multiIf(found.action = 0, 'left_out', found.kept, 'kept', 'duplicate') as verdict,
    found.rule as rule,
    copies.fbp as fbp,
    copies.fbc as fbc,
    arrayMap(digest -> lower(hex(digest)), copies.em) as em,
    arrayMap(digest -> lower(hex(digest)), copies.ph) as ph,
    arrayMap(digest -> lower(hex(digest)), copies.fn) as fn,
    arrayMap(digest -> lower(hex(digest)), copies.ln) as ln,
    arrayMap(digest -> lower(hex(digest)), copies.db) as db,
    arrayMap(digest -> lower(hex(digest)), copies.ge) as ge,
    arrayMap(digest -> lower(hex(digest)), copies.ct) as ct,
    arrayMap(digest -> lower(hex(digest)), copies.st) as st,
    arrayMap(digest -> lower(hex(digest)), copies.zp) as zp,
    arrayMap(digest -> lower(hex(digest)), copies.country) as country,
    arrayMap(digest -> lower(hex(digest)), copies.external_id) as external_id,
    mapKeys(copies.other_keys) as other_names,
    mapValues(copies.other_keys) as other_values,
    copies.removed as removed,
    copies.notes as notes,
    toString(copies.door) as door,
    copies.seq as seq,
    copies.pos as pos,
    copies.action_source as action_source,
    copies.url as url,
    copies.referrer as referrer,
    copies.custom_data as custom_data,
    toString(copies.consent) as consent,
    copies.test_event_code as test_event_code,
    copies.browser as browser,
    copies.campaign as campaign
from
(
    select *
    from accepted
    where place in (select place from {shown:Identifier})
) as copies
inner join (select place, action, kept, rule from {shown:Identifier}) as found on copies.place = found.place
order by place
