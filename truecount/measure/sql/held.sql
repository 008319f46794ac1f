-- How many copies there are up to the moment of an answer.
select count()
from {copies:Identifier}
where dataset = {dataset:String} and ({all_names:UInt8} or event_name in {names:Array(String)})
    and seq < transform(door, {doors:Array(String)}, {seqs:Array(UInt64)}, toUInt64(0))
