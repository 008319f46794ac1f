-- The sums, one row an event name, bucket and currency.
select
    event_name,
    if(unit = 0, '', {currencies:Array(String)}[unit]) as currency,
    bucket,
    sum(actions),
    sum(copies),
    sum(browser_only),
    sum(server_only),
    sum(both),
    sum(limited),
    sum(value_e4),
    min(first_ms),
    max(last_ms)
from {sums:Identifier}
where actions > 0
group by event_name, currency, bucket
