-- Key B: the copies of the website's class with the values they carry of fbp and external_id.
select
    event_name,
    event_id,
    place,
    browser_side,
    received_us,
    arrayConcat(
        if(fbp = '', [], [sipHash128(event_name, 'fbp', fbp)]),
        arrayMap(digest -> sipHash128(event_name, 'external_id', digest), external_id)
    ) as values
from counted
where class = 0 and event_name in {key_b_names:Array(String)}
