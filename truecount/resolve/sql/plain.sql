-- One row for each action outside the pool, and one with `long` set for each key that the pool must cut into sessions.
select * from plain_ids
union all
select * from plain_bare
union all
select * from plain_offline
