-- Amendments whose original is not there: accepted at the door, set aside now.
select
    toString(event_name),
    toString(source),
    count(),
    min(received_us),
    max(received_us)
from accepted
where event_name = 'AppendValue'
    and place not in (select amendment from {originals:Identifier})
    and received_us >= {since_us:Int64} and received_us < {until_us:Int64}
group by event_name, source
