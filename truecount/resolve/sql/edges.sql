-- Key B, server groups with an id, and the browser copies without one that they may claim. Tokens that stand on one side alone
-- are gone, and of tokens with the same members (two readings of one external id) one is kept.
select min(token) as token, members
from
(
    select token, arraySort(groupArray((place, server))) as members
    from {tokens:Identifier}
    where server = (key != '')
    group by token
    having countIf(server) > 0 and countIf(not server) > 0
)
group by members
