-- Key B where tokens mix: the items of each token that has an item with another token too. Each starts as its own cluster.
select place, place as label
from {items:Identifier}
where hasAny(
    tokens,
    (select groupUniqArrayArray(tokens) from {items:Identifier} where length(tokens) > 1)
)
