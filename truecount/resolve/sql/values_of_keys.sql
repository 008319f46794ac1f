-- Key B: a row for each copy of the website's class and each value it carries of fbp and external_id.
select
    event_name,
    event_id,
    place,
    browser_side as browser,
    received_us,
    arrayJoin(arrayConcat(
        if(fbp = '', [], [sipHash128(event_name, 'fbp', fbp)]),
        arrayMap(digest -> sipHash128(event_name, 'external_id', digest), external_id)
    )) as value
from counted
where class = 0 and event_name in {key_b_names:Array(String)}
