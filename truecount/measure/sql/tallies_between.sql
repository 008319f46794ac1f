-- Tallies between two frontiers of the log, the newest first.
select
    toString(door) as door_name, seq, pos, received_us, toString(source), toString(outcome), toString(reason), n,
    toString(event_name)
from tallies
where dataset = {dataset:String} and received_us >= {since_us:Int64}
    and seq > transform(door, {after_doors:Array(String)}, {after_seqs:Array(UInt64)}, toUInt64(0))
    and seq <= transform(door, {upto_doors:Array(String)}, {upto_seqs:Array(UInt64)}, toUInt64(0))
    and ({event:String} = '' or event_name in ('', {event:String}))
order by received_us desc, door_name desc, seq desc, pos desc
limit {limit:UInt32}
