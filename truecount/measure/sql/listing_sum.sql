-- How many actions a filter leaves for each door, and what they are worth, by currency.
select
    door,
    if(unit = 0 or isNull(value_e4), '', {currencies:Array(String)}[unit]) as currency,
    count(),
    sum(toInt128(ifNull(value_e4, 0)))
from listed
where event_time_ms >= {since_ms:Int64} and event_time_ms < {until_ms:Int64}
    and ({any_listed:UInt8} or event_name in {listed_names:Array(String)})
    and ({rule:String} = '' or has(rules, {rule:String}))
group by door, currency
