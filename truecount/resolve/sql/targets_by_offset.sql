-- The copy of one event name at one place of the log.
select place
from accepted
where event_name = {event_name:String} and door = {door:String} and seq = {seq:UInt64} and pos = {pos:UInt32}
