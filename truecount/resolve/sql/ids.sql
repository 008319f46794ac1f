-- Key A without its window: a row for each name, class of sources and id.
-- Keys that need a closer look are left to the pool. Long histories are read in slices: some names, a range of ids.
select
    event_name,
    class,
    event_id as key,
    count() as copies,
    countIf(browser_side) as browser_copies,
    min(bitOr(bitShiftLeft(toUInt256(place), 128), toUInt256(fact))) as first,
    minIf(bitOr(bitShiftLeft(toUInt256(place), 128), toUInt256(fact)), browser_side) as first_browser,
    max(received_us) - min(received_us) as span_us,
    groupBitAnd(marks) as common_marks
from counted
where event_id != '' and source != 'offline'
    and (
        {all_slices:UInt8}
        or (
            event_name in {slice_names:Array(String)} and event_id >= {slice_from:String}
            and ({is_last_slice:UInt8} or event_id < {slice_until:String})
        )
    )
group by event_name, class, key
having not {any_wanted:UInt8} or (event_name, class, key) not in (
    select event_name, class, key from {wanted:Identifier} where key != ''
)
