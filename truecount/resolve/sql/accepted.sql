-- The accepted copies of one dataset up to one moment of the log, with what dedup reads of them.
--
-- moment  `doors` names the doors in order, `seqs` the first sequence number of each that this answer does not look at:
--         all statements of one answer see the same copies, whatever the loader does meanwhile. Of other doors it looks at
--         those before `other_doors`: none.
-- place   where the copy stands in the total order (received_us, door, seq, pos), in one number: 52 bits of
--         microseconds since 1934, 16 of the door, 40 of the sequence, 20 of the position.
-- fact    what the kept copy gives its action, in one number that rides along with the place (aggregates over tuples
--         are five times slower): 64 bits of value, 1 bit "has a value", 15 of the currency, 48 of the event time.
select
    copies.*,
    source in ('browser', 'app') as browser_side,
    multiIf(source = 'offline', 2, source = 'messaging', 1, 0)::UInt8 as class,
    bitAnd(marks, {left_out_marks:UInt32}) != 0 as left_out,
    transform(door, {doors:Array(String)}, {ranks:Array(UInt64)}, toUInt64(0)) as rank,
    bitOr(
        bitShiftLeft(
            toUInt128(bitOr(bitShiftLeft(toUInt64(received_us + 1125899906842624), 12), bitShiftRight(rank, 4))), 64
        ),
        bitOr(bitShiftLeft(bitOr(bitShiftLeft(rank, 40), seq), 20), toUInt64(pos))
    ) as place,
    bitOr(
        bitShiftLeft(toUInt128(toUInt64(ifNull(value_e4, 0))), 64),
        toUInt128(
            bitOr(
                bitShiftLeft(toUInt64(isNotNull(value_e4)), 63),
                bitOr(
                    bitShiftLeft(transform(currency, {currencies:Array(String)}, {units:Array(UInt64)}, toUInt64(0)), 48),
                    toUInt64(event_time_ms + 140737488355328)
                )
            )
        )
    ) as fact
from {copies:Identifier} as copies
where dataset = {dataset:String}
    and ({all_names:UInt8} or event_name in {names:Array(String)})
    and seq < transform(door, {doors:Array(String)}, {seqs:Array(UInt64)}, {other_doors:UInt64})
