-- The actions that hold a copy that was searched for, the newest first.
select distinct action from verdicts where place in (select place from {targets:Identifier}) order by action desc
