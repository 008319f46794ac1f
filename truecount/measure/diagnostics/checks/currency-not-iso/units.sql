-- Whose currency is no code of ISO 4217, so that its value is in no sum? Of the copies that name a currency.
select
    [event_name] as subject,
    currency = '' as bad,
    1 as n,
    event_name,
    event_id,
    once,
    source,
    received_us,
    place,
    null::Nullable(Int64) as value_e4,
    currency,
    []::Array(UInt64) as extra
from seen
where currency != '' or hasAny(notes, ['bad:currency', 'unreadable:currency'])
