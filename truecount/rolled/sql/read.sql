-- Sums of one generation, in buckets that begin at the edges, with the rows that tell of which moment they are: one look at
-- the table, so all are of the same. Quarters of an hour where they fit in, minutes for the rest.
select
    toString(kind),
    if(kind in ('moment', 'basis'), toInt64(0), roundDown(bucket_ms, {edges:Array(Int64)})) as edge,
    event_name,
    class,
    door,
    word,
    toString(rule) as by_rule,
    sum(n),
    sum(copies),
    sum(browser_copies),
    sum(limited),
    sum(value_e4),
    sum(left_out),
    sum(bots),
    sum(tools),
    sum(with_em),
    sum(with_ph),
    sum(with_external_id),
    sum(with_fbp),
    sum(with_fbc),
    sum(with_strong),
    sum(with_event_id),
    min(first_ms),
    max(last_ms),
    max(last_us)
from rolled
where dataset = {dataset:String} and generation = {generation:UInt64}
    and (
        kind in ('moment', 'basis')
        or (
            kind in {kinds:Array(String)}
            and ({all_names:UInt8} or event_name in {names:Array(String)})
            and bucket_ms >= {since_ms:Int64} and bucket_ms < {until_ms:Int64}
            and (
                (step_ms = 900000 and arrayExists((a, b) -> bucket_ms >= a and bucket_ms < b, {long_from:Array(Int64)}, {long_until:Array(Int64)}))
                or (step_ms = 60000 and arrayExists((a, b) -> bucket_ms >= a and bucket_ms < b, {short_from:Array(Int64)}, {short_until:Array(Int64)}))
            )
        )
    )
group by kind, edge, event_name, class, door, word, by_rule
