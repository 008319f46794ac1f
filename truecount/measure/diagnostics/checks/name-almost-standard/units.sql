-- Which event names are nearly a standard event's, and count apart from it? Alike but for case, blanks and signs; or, from six
-- letters on, with one letter more, fewer, other or swapped. Their share is of both names together.
with
names as
(
    select
        event_name as name,
        replaceRegexpAll(lowerUTF8(event_name), '[^\\pL\\pN]+', '') as folded,
        arrayFilter(
            known -> lower(known) = folded or (length(known) >= 6 and damerauLevenshteinDistance(lower(known), folded) = 1),
            {standard:Array(String)}
        ) as near
    from (select distinct event_name from seen where event_name not in {standard:Array(String)})
),
meant as
(
    select pair.1 as sent, pair.2 as subject, pair.3 as bad
    from
    (
        select arraySort(known -> (lower(known) != folded, known), near)[1] as standard,
            arrayJoin([(name, [name, standard], 1), (standard, [name, standard], 0)]) as pair
        from names
        where notEmpty(near)
    )
)
select
    subject,
    bad,
    1 as n,
    event_name,
    event_id,
    once,
    source,
    received_us,
    place,
    if(subject[2] in {before_a_sale:Array(String)}, null, value_e4) as value_e4,
    currency,
    []::Array(UInt64) as extra
from seen
inner join meant on seen.event_name = meant.sent
