-- What there is, in one look, which also fixes the moment that the answer speaks of, where none is given: the last sequence
-- number of each door. It
-- tells which stages are needed, and gives the sums of the copies in the range of event times, which are already the sums
-- of the actions where each copy is an action of its own. `periods` cuts all time: rows are of one part each.
select
    toString(event_name) as name,
    toString(source) as origin,
    empty(event_id) as bare,
    marks,
    toString(currency) as money,
    isNotNull(value_e4) as valued,
    toString(door) as place,
    max(seq) as last_seq,
    count() as n,
    countIf(in_range) as n_in_range,
    sumIf(toInt128(ifNull(value_e4, 0)), in_range) as total_e4,
    minIf(event_time_ms, in_range) as first_ms,
    maxIf(event_time_ms, in_range) as last_ms,
    period
from
(
    select
        event_name, source, event_id, marks, value_e4, currency, event_time_ms, door, seq,
        event_time_ms >= {since_ms:Int64} and event_time_ms < {until_ms:Int64} as in_range,
        arrayCount(edge -> edge <= event_time_ms, {periods:Array(Int64)}) as period
    from {copies:Identifier}
    where dataset = {dataset:String} and ({all_names:UInt8} or event_name in {names:Array(String)})
        and (not {at_moment:UInt8} or seq < transform(door, {doors:Array(String)}, {seqs:Array(UInt64)}, toUInt64(0)))
)
group by event_name, source, bare, marks, currency, valued, door, period
