-- Copies by their offsets.
select place
from accepted
where received_us >= {from_us:Int64} and received_us <= {to_us:Int64}
    and (toString(door), seq, pos) in (
        select arrayJoin(arrayZip({offset_doors:Array(String)}, {offset_seqs:Array(UInt64)}, {offset_poss:Array(UInt32)})) as one
    )
