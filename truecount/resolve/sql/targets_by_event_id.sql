-- The copies of one event name and event id.
select place from accepted where event_name = {event_name:String} and event_id = {event_id:String}
