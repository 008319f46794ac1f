-- Key B as tokens: a browser copy and a server group agree exactly when they share one.
--
-- Both have external_id: it decides, so both show their external ids. Only one has it, or neither: fbp decides, so a
-- server group without external_id shows its fbp to all, and one with external_id shows it only to browser copies
-- without. A group's keys are those of all its copies; a group with a browser copy has its twin and takes no part.
-- A browser copy is named by its own place, a server group by that of its first copy.
select server, place, key, pair.1 as token, pair.2 as rule
from
(
    select
        0 as server,
        place,
        key,
        arrayJoin(arrayConcat(
            arrayMap(digest -> (sipHash128(event_name, 'external_id', digest), 'external_id'), external_id),
            if(fbp = '', [], [(sipHash128(event_name, 'fbp', fbp), 'fbp')]),
            if(fbp = '' or notEmpty(external_id), [], [(sipHash128(event_name, 'fbp of one without external_id', fbp), 'fbp')])
        )) as pair
    from {pool:Identifier}
    where class = 0 and browser

    union all

    select
        1 as server,
        place,
        key,
        arrayJoin(arrayConcat(
            arrayMap(digest -> (sipHash128(event_name, 'external_id', digest), 'external_id'), external_ids),
            arrayMap(
                fbp -> (sipHash128(event_name, if(empty(external_ids), 'fbp', 'fbp of one without external_id'), fbp), 'fbp'),
                fbps
            )
        )) as pair
    from
    (
        select
            sessions.first_place as place,
            pool.event_name as event_name,
            pool.key as key,
            groupUniqArrayArray(pool.external_id) as external_ids,
            groupUniqArrayIf(pool.fbp, pool.fbp != '') as fbps
        from {pool:Identifier} as pool
        inner join {sessions:Identifier} as sessions on pool.place = sessions.place
        where pool.class = 0
        group by place, event_name, key
        having countIf(pool.browser) = 0
    )
)
