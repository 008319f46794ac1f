-- What was not accepted, and why, as the tallies tell it, by the time of receipt; apart for the periods that `edges` bound.
select
    toString(event_name) as event_name,
    toString(source) as source,
    toString(outcome) as outcome,
    toString(reason) as reason,
    sum(n) as n,
    min(received_us) as first_us,
    max(received_us) as last_us,
    arrayCount(edge -> edge <= received_us, {edges:Array(Int64)}) as period
from
(
    select event_name, source, outcome, reason, n, received_us from tallies where dataset = {dataset:String}
    union all
    select event_name, source, 'set_aside' as outcome, reason, n, received_us from set_aside where dataset = {dataset:String}
)
where received_us >= {since_us:Int64} and received_us < {until_us:Int64}
group by event_name, source, outcome, reason, period
order by event_name, source, outcome, reason, period
