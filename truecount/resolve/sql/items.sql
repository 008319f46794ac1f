-- Key B: a row for each browser copy or server group that may be matched, with its tokens.
select member.1 as place, member.2 as server, arraySort(groupArray(token)) as tokens
from {edges:Identifier}
array join members as member
group by place, server
