-- Which events hold a copy with this event id, order id or fbp; each way to name one is a row, the newest first.
select
    toString(event_name) as name,
    multiIf(event_id = {id:String}, 'id', order_id = {id:String}, 'order', 'fbp') as found_by,
    max(received_us) as newest
from copies
where dataset = {dataset:String}
    and (event_id = {id:String} or order_id = {id:String} or fbp = {fbp:String})
    and bitAnd(marks, {canary:UInt32}) = 0
    and event_name != 'AppendValue'
group by name, found_by
order by found_by = 'id' desc, found_by = 'order' desc, newest desc, name
limit {most:UInt32}
