-- What there is, per name, source and whether it has an id: tells which stages an answer needs, and counts the marks of
-- the copies whose own event time lies in the range asked for.
select
    event_name,
    source,
    0 as bare,
    count() as n,
    countIf(left_out) as n_left_out,
    countIf(in_range and left_out) as left_out_in_range,
    countIf(in_range and bitAnd(marks, 2) != 0) as bots,
    countIf(in_range and bitAnd(marks, 4) != 0) as tools,
    minIf(event_time_ms, in_range and left_out) as first_ms,
    maxIf(event_time_ms, in_range and left_out) as last_ms
from (select *, event_time_ms >= {since_ms:Int64} and event_time_ms < {until_ms:Int64} as in_range from accepted)
group by event_name, source

union all

select
    event_name, source, 1 as bare, count() as n, countIf(left_out) as n_left_out, 0 as left_out_in_range, 0 as bots, 0 as tools,
    0 as first_ms, 0 as last_ms
from accepted
where event_id = ''
group by event_name, source
