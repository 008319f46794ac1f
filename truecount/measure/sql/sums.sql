-- The sums, one row an event name and currency.
select
    event_name,
    currency,
    sum(actions),
    sum(copies),
    sum(browser_only),
    sum(server_only),
    sum(both),
    sum(limited),
    sum(value_e4),
    sum(valued),
    min(first_ms),
    max(last_ms)
from {sums:Identifier}
where long_key = ''
group by event_name, currency
