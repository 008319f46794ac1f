-- Windows: the copies of a key in log order fall into groups; a later copy than the window (48 hours, 7 days offline, both
-- ends included) from the group's first starts the next group. A group is named by the place of its first copy.
-- The fold steps from start to start, so keys within one window, nearly all, cost no step.
select
    pair.1 as place,
    starts[pair.2] as first_place,
    toUInt32(pair.2) as session
from
(
    select
        arrayJoin(arrayZip(places, arrayMap(place -> arrayCount(start -> start <= place, starts), places))) as pair,
        starts
    from
    (
        select
            places,
            arrayFold(
                (starts, step) -> arrayConcat(
                    starts,
                    arraySlice(
                        arrayFilter(place -> bitShiftRight(place, 76) > bitShiftRight(starts[-1], 76) + window_us, places),
                        1,
                        1
                    )
                ),
                range(toUInt64(intDiv(bitShiftRight(places[-1], 76) - bitShiftRight(places[1], 76), window_us))),
                [places[1]]
            ) as starts
        from
        (
            select
                arraySort(groupArray(place)) as places,
                toUInt128(if(class = 2, 604800000000, 172800000000)) as window_us
            from {pool:Identifier}
            where key != ''
            group by event_name, class, key
        )
    )
)

union all

select place, place as first_place, toUInt32(1) as session
from {pool:Identifier}
where key = ''
