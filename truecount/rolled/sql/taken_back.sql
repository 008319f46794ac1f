-- What names counted for so far, to be taken back: they are counted in full instead.
select
    kind, event_name, bucket_ms, class, door, word, rule,
    -sum(n) as n_back,
    -sum(copies) as n_copies,
    -sum(browser_copies) as n_browser_copies,
    -sum(limited) as n_limited,
    -sum(value_e4) as total_e4,
    -sum(left_out) as n_left_out
from rolled
where dataset = {dataset:String} and generation = {generation:UInt64}
    and kind in ('action', 'removed', 'amended') and step_ms = 60000
    and ({all_names:UInt8} or event_name in {names:Array(String)})
group by kind, event_name, bucket_ms, class, door, word, rule
