-- Key B: the values that can possibly merge anything: on a browser copy and on a later server copy within 48 hours, one
-- of the two without an id. A server copy with an id may bring the value as late as 48 hours after its group's first copy,
-- whose receipt is the group's time: hence 96.
select value
from values_of_keys
where value in (select value from values_of_keys where event_id = '')
group by value
having (
        countIf(browser and event_id = '') > 0 and countIf(not browser) > 0
        and minIf(received_us, browser and event_id = '') <= maxIf(received_us, not browser)
        and maxIf(received_us, browser and event_id = '') + 345600000000 >= minIf(received_us, not browser)
    ) or (
        countIf(browser) > 0 and countIf(not browser and event_id = '') > 0
        and minIf(received_us, browser) <= maxIf(received_us, not browser and event_id = '')
        and maxIf(received_us, browser) + 172800000000 >= minIf(received_us, not browser and event_id = '')
    )
