-- The event names of a dataset, the most frequent first. The server's own canary is no event of anybody.
select event_name
from copies
where dataset = {dataset:String} and bitAnd(marks, {canary:UInt32}) = 0
group by event_name
order by count() desc, event_name
limit {limit:UInt32}
