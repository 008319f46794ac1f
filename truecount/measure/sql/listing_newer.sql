-- Actions just newer than the first row of a page, the oldest first: the page before it.
select
    event_name, class, key, action, kept_place, copies, door, limited, value_e4,
    if(unit = 0, '', {currencies:Array(String)}[unit]) as currency, event_time_ms, rules
from listed
where event_time_ms >= {since_ms:Int64} and event_time_ms < {until_ms:Int64}
    and ({any_listed:UInt8} or event_name in {listed_names:Array(String)})
    and (empty({sides:Array(UInt8)}) or door in {sides:Array(UInt8)})
    and ({rule:String} = '' or has(rules, {rule:String}))
    and (event_time_ms, action) > ({after_ms:Int64}, {after_action:UInt128})
order by event_time_ms, action
limit {limit:UInt32}
