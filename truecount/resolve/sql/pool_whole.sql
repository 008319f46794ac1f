-- The pool, of all copies that can form actions: where they are few, that is quicker than to find out which need a closer look.
select place, fact, event_name, class, event_id as key, source, browser_side, marks, fbp, external_id
from counted
where source != 'offline'
