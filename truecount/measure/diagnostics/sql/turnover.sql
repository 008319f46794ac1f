-- What all events of the range are worth, each event id once: what a finding's value is a part of.
select currency, toString(sum(first_e4))
from
(
    select event_name, argMin(assumeNotNull(value_e4), place) as first_e4, argMin(currency, place) as currency
    from seen
    where isNotNull(value_e4) and currency != '' and event_name not in {before_a_sale:Array(String)}
    group by event_name, once
)
group by currency
order by currency
