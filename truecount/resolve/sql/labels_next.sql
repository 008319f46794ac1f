-- One round towards clusters: each item takes the least label beside it, and then that label's own label.
select near.place as place, least(near.label, ifNull(far.label, near.label)) as label
from
(
    select place, min(token_label) as label
    from (select place, arrayJoin(tokens) as token from {items:Identifier}) as items
    inner join
    (
        select token, min(labels.label) as token_label
        from (select place, arrayJoin(tokens) as token from {items:Identifier}) as items
        inner join {labels:Identifier} as labels on items.place = labels.place
        group by token
    ) as of_token on items.token = of_token.token
    where place in (select place from {labels:Identifier})
    group by place
) as near
inner join {labels:Identifier} as far on near.label = far.place
