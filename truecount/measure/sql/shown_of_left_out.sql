-- What is shown besides: the copies searched for that form no action.
select place, toUInt128(0) as action, 0 as kept, '' as rule
from accepted
where (left_out or event_name = 'AppendValue') and place in (select place from {targets:Identifier})
    and ({any_event_id:UInt8} or event_id = {event_id:String})
