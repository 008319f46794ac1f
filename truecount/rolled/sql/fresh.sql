-- The copies that came since the old moment.
select *
from dedup_columns
where seq >= transform(door, {old_doors:Array(String)}, {old_seqs:Array(UInt64)}, toUInt64(0))
limit {limit:UInt64}
