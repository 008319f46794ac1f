-- The copy at an offset: when it came, and under which name.
select received_us, toString(event_name)
from copies
where dataset = {dataset:String} and door = {door:String} and seq = {seq:UInt64} and pos = {pos:UInt32}
limit 1
