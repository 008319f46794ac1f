-- The pool: every copy of a key that needs a closer look.
select place, fact, event_name, class, event_id as key, source, browser_side, marks, fbp, external_id
from counted
where event_id != '' and source != 'offline'
    and (event_name, event_id) in (select event_name, key from {wanted:Identifier} where round = {round:UInt8} and key != '' and class != 2)
    and (event_name, class, event_id) in (select event_name, class, key from {wanted:Identifier} where round = {round:UInt8} and key != '')

union all

select place, fact, event_name, class, '' as key, source, browser_side, marks, fbp, external_id
from counted
where event_id = '' and source != 'offline'
    and event_name in {pooled_names:Array(String)}
    and place in (select place from {wanted:Identifier} where round = {round:UInt8} and key = '')
