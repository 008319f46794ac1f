-- The events that both sides send in the range.
select event_name
from seen
where class = 0
group by event_name
having countIf(browser_side) > 0 and countIf(not browser_side) > 0
