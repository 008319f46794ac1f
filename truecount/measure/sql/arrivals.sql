-- Copies between two frontiers of the log, the newest first. A frontier names the last entry of each door; what was imported
-- came by no door, and the server's own canary is nobody's event. `since_us` lets the engine pass by old parts unread.
select
    toString(door) as door_name, seq, pos, received_us, toString(source) as origin, toString(event_name) as name, event_id, url,
    toString(test_event_code) as code
from copies
where dataset = {dataset:String}
    and received_us >= {since_us:Int64} and imported_us = 0 and bitAnd(marks, 64) = 0
    and seq > transform(door, {after_doors:Array(String)}, {after_seqs:Array(UInt64)}, toUInt64(0))
    and seq <= transform(door, {upto_doors:Array(String)}, {upto_seqs:Array(UInt64)}, toUInt64(0))
    and ({event:String} = '' or event_name = {event:String})
    and ({code:String} = '' or test_event_code = {code:String})
    and ({page:String} = '' or position(url, {page:String}) > 0)
order by received_us desc, door_name desc, seq desc, pos desc
limit {limit:UInt32}
