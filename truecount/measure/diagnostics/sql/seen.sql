-- What was received in the range and forms actions, copy by copy, as every check looks at it. `once` is alike in copies whose
-- value counts once: those of one event id; a copy without an id stands for itself.
select
    event_name,
    event_id,
    toString(source) as source,
    if(browser_side, 'browser', 'server') as side,
    browser_side,
    class,
    received_us,
    event_time_ms,
    value_e4,
    toString(currency) as currency,
    order_id,
    fbp,
    marks,
    removed,
    notes,
    place,
    if(event_id = '', toString(place), event_id) as once
from accepted
where not left_out and event_name != 'AppendValue'
    and received_us >= {since_us:Int64} and received_us < {until_us:Int64}
