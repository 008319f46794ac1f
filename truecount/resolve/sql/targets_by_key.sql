-- The copies of one event name with an order id, an fbp, or the digest (hex) of an external id or an e-mail address.
select place
from accepted
where event_name = {event_name:String}
    and (
        (order_id != '' and order_id = {order_id:String})
        or (fbp != '' and fbp = {fbp:String})
        or hasAny(arrayMap(digest -> hex(digest), external_id), {external_ids:Array(String)})
        or hasAny(arrayMap(digest -> hex(digest), em), {ems:Array(String)})
    )
