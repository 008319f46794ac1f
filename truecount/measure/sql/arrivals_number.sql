-- How many copies `arrivals` would give without its limit.
select count()
from copies
where dataset = {dataset:String}
    and received_us >= {since_us:Int64} and imported_us = 0 and bitAnd(marks, 64) = 0
    and seq > transform(door, {after_doors:Array(String)}, {after_seqs:Array(UInt64)}, toUInt64(0))
    and seq <= transform(door, {upto_doors:Array(String)}, {upto_seqs:Array(UInt64)}, toUInt64(0))
    and ({event:String} = '' or event_name = {event:String})
    and ({code:String} = '' or test_event_code = {code:String})
    and ({page:String} = '' or position(url, {page:String}) > 0)
