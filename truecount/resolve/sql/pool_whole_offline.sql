-- The pool, of all offline copies.
select place, fact, event_name, class, offline_key as key, 'offline' as source, 0 as browser_side, marks, fbp, external_id
from offline
