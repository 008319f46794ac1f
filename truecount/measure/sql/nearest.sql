-- The copy that came nearest to belonging to an action and does not: it shares most with it, and then is closest in time.
with
    lower(trimBoth({event_id:String}, ' \t\r\n')) as plain_id,
    event_id != '' and lower(trimBoth(event_id, ' \t\r\n')) = plain_id as shares_event_id,
    order_id != '' and order_id in {order_ids:Array(String)} as shares_order_id,
    fbp != '' and fbp in {fbps:Array(String)} as shares_fbp,
    hasAny(external_id, arrayMap(digest -> toFixedString(unhex(digest), 32), {external_ids:Array(String)})) as shares_external_id,
    hasAny(em, arrayMap(digest -> toFixedString(unhex(digest), 32), {ems:Array(String)})) as shares_em,
    hasAny(ph, arrayMap(digest -> toFixedString(unhex(digest), 32), {phs:Array(String)})) as shares_ph
select
    toString(event_name),
    event_id,
    toString(source),
    received_us,
    event_time_ms,
    order_id,
    fbp,
    arrayMap(digest -> lower(hex(digest)), external_id),
    left_out,
    browser_side,
    class,
    [shares_event_id, shares_order_id, shares_external_id, shares_fbp, shares_em, shares_ph],
    place,
    concat(toString(door), ':', toString(seq), ':', toString(pos)) as offset
from accepted
where event_name != 'AppendValue'
    and place not in (select place from {shown:Identifier})
    and if(
        event_name = {event_name:String},
        shares_event_id or shares_order_id or shares_external_id or shares_fbp or shares_em or shares_ph,
        shares_event_id and event_id = {event_id:String}
    )
order by
    event_name = {event_name:String} desc,
    shares_event_id + shares_order_id + shares_external_id + shares_fbp + shares_em + shares_ph desc,
    browser_side != {of_browser:UInt8} desc,
    abs(received_us - {received_us:Int64}),
    place
limit 1
