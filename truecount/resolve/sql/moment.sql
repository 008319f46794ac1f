-- The moment an answer speaks of: the last sequence number of each door that the store holds, and the dataset's currencies.
select toString(door) as door, max(seq) as seq, arraySort(groupUniqArray(toString(currency))) as currencies
from copies
where dataset = {dataset:String}
group by door
order by door
