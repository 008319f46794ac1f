-- Changes of sums, as rows of `rolled`, for both lengths of a bucket. What comes to nothing is left out.
select
    {dataset:String} as dataset,
    {generation:UInt64} as generation,
    kind,
    arrayJoin([60000, 900000]) as step_ms,
    event_name,
    bucket_ms - positiveModulo(bucket_ms, step_ms) as bucket,
    class,
    door,
    word,
    rule,
    sum(n) as d_n,
    sum(copies) as d_copies,
    sum(browser_copies) as d_browser_copies,
    sum(limited) as d_limited,
    sum(value_e4) as d_value_e4,
    sum(left_out) as d_left_out
from {changes:Identifier}
group by kind, step_ms, event_name, bucket, class, door, word, rule
having d_n != 0 or d_copies != 0 or d_browser_copies != 0 or d_limited != 0 or d_value_e4 != 0 or d_left_out != 0
