-- The actions of one event name in the range, by kind of source, who reported them, and currency: how many, of how many
-- copies, and what they are worth.
select
    class,
    door,
    if(unit = 0 or isNull(value_e4), '', {currencies:Array(String)}[unit]) as currency,
    count() as actions,
    sum(copies) as n_copies,
    sum(browser_copies) as n_browser_copies,
    sum(toInt128(ifNull(value_e4, 0))) as total_e4
from listed
where event_name = {event_name:String} and event_time_ms >= {since_ms:Int64} and event_time_ms < {until_ms:Int64}
group by class, door, currency
