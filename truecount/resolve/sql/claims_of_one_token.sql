-- Key B where one token alone decides: server groups in log order each claim the latest earlier browser copy that no other has
-- claimed. That is how closing parentheses meet opening ones: depth is what is open, and partners stand at one depth.
select
    place as group_place,
    partner as browser_place
from
(
    select
        place,
        server,
        matched,
        lagInFrame(place, 1) over (
            partition by token, level order by place rows between unbounded preceding and current row
        ) as partner
    from
    (
        select
            token,
            place,
            server,
            toInt64(height - least(floor_height, 0)) as depth,
            toInt64(lagInFrame(depth, 1, 0) over (
                partition by token order by place rows between unbounded preceding and current row
            )) as depth_before,
            not server or depth_before > 0 as matched,
            if(server, depth_before, depth) as level
        from
        (
            select
                token,
                place,
                server,
                height,
                min(height) over (
                    partition by token order by place rows between unbounded preceding and current row
                ) as floor_height
            from
            (
                select
                    tokens[1] as token,
                    place,
                    server,
                    sum(if(server, -1, 1)) over (
                        partition by tokens[1] order by place rows between unbounded preceding and current row
                    ) as height
                from {items:Identifier}
                where place not in (select place from {labels:Identifier})
            )
        )
    )
    where matched
)
where server and bitShiftRight(place, 76) - bitShiftRight(partner, 76) <= 172800000000
