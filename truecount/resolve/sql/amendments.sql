-- AppendValue copies, with what they name. Without an original time, the amendment's own tells which of several is meant.
select
    place,
    event_time_ms,
    not left_out as amends,
    value_e4,
    currency,
    original_event_name,
    original_event_id,
    original_order_id,
    if(original_time_ms = 0, event_time_ms, original_time_ms) as reference_ms
from accepted
where event_name = 'AppendValue'
