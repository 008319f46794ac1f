-- Key B: a row for each copy and each value it carries.
select event_id, browser_side as browser, received_us, arrayJoin(values) as value
from keyed
