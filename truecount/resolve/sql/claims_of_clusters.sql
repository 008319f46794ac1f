-- Key B where tokens mix: in each cluster, and in each stretch of it without a gap of more than 48 hours, server groups in log order
-- claim one by one. The fold carries the browser copies that are free and the claims made.
select claim.1 as group_place, claim.2 as browser_place
from
(
    select
        arrayFold(
            (state, item) -> if(
                item.2,
                if(
                    bitShiftRight(item.1, 76)
                        - bitShiftRight(arrayLast(free -> hasAny(free.2, item.3), state.1).1, 76) <= 172800000000,
                    (
                        arrayFilter(free -> free.1 != arrayLast(free -> hasAny(free.2, item.3), state.1).1, state.1),
                        arrayPushBack(state.2, (item.1, arrayLast(free -> hasAny(free.2, item.3), state.1).1))
                    ),
                    state
                ),
                (arrayPushBack(state.1, (item.1, item.3)), state.2)
            ),
            arraySort(groupArray((place, server, tokens))),
            (
                []::Array(Tuple(UInt128, Array(FixedString(16)))),
                []::Array(Tuple(UInt128, UInt128))
            )
        ).2 as claims
    from
    (
        select
            label,
            place,
            server,
            tokens,
            sum(is_gap) over (partition by label order by place rows between unbounded preceding and current row) as stretch
        from
        (
            select
                labels.label as label,
                items.place as place,
                items.server as server,
                items.tokens as tokens,
                bitShiftRight(items.place, 76) - bitShiftRight(
                    lagInFrame(items.place, 1, items.place) over (
                        partition by labels.label order by items.place rows between unbounded preceding and current row
                    ),
                    76
                ) > 172800000000 as is_gap
            from {items:Identifier} as items
            inner join {labels:Identifier} as labels on items.place = labels.place
        )
    )
    group by label, stretch
)
array join claims as claim
