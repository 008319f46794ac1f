-- The copies that form actions: without a mark that the dataset leaves out, and no amendments.
select
    event_name,
    event_id,
    source,
    class,
    browser_side,
    received_us,
    event_time_ms,
    value_e4,
    currency,
    marks,
    fbp,
    external_id,
    place,
    fact
from accepted
where not left_out and event_name != 'AppendValue'
