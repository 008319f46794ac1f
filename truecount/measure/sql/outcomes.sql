-- How all that was received ended: accepted copies, tallies by outcome, what could not be loaded. The server's own canary
-- is nobody's.
select 'accepted' as outcome, count() as n from copies where ({all_datasets:UInt8} and dataset != {canary:String}) or dataset = {dataset:String}
union all
select toString(outcome) as outcome, sum(n) as n from tallies where ({all_datasets:UInt8} and dataset != {canary:String}) or dataset = {dataset:String} group by outcome
union all
select 'set_aside' as outcome, sum(n) as n from set_aside where ({all_datasets:UInt8} and dataset != {canary:String}) or dataset = {dataset:String}
