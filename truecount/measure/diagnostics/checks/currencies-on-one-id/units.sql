-- Which event ids come with several currencies: another one from the browser than from the server, say?
select
    [event_name] as subject,
    uniqExact(currency) > 1 as bad,
    1 as n,
    event_name,
    event_id,
    event_id as once,
    argMin(source, place) as source,
    max(received_us) as received_us,
    min(place) as place,
    argMin(value_e4, place) as value_e4,
    argMinIf(currency, place, isNotNull(value_e4)) as currency,
    []::Array(UInt64) as extra
from (select * from seen where event_id != '' and currency != '')
group by event_name, class, event_id
